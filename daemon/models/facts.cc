// What `hearth models` and the router want to know of a model file, from `hearth dev inspect
// --json`. A file may claim any number: those that no model has are taken for unknown.
#include <fmt/format.h>

#include "models/pull.h"
#include "models/subprocess.h"
#include "support/json.h"

namespace hearth::models {

namespace {

constexpr uint64_t kMostLayers = 4096, kMostHeads = 65536, kMostWidth = 1 << 20,
                   kMostContext = 1 << 28;

// Zero when it is not there, or beyond `most`.
uint64_t number(json::Element metadata, const std::string& key, uint64_t most) {
  uint64_t value = 0;
  if (metadata[key].get_uint64().get(value) || value > most) return 0;
  return value;
}

// What a file says of itself in words: one short line, or nothing.
std::string words(json::Element metadata, const std::string& key) {
  std::string_view text;
  if (metadata[key].get_string().get(text) || text.size() > 100) return "";
  for (unsigned char c : text)
    if (c < ' ' || c == 0x7f) return "";
  return std::string(text);
}

// Summed over the layers: one number for all of them, or one each.
uint64_t kv_heads(json::Element metadata, const std::string& architecture) {
  const std::string key = architecture + ".attention.head_count_kv";
  const uint64_t n_layers = number(metadata, architecture + ".block_count", kMostLayers);
  simdjson::dom::array each;
  if (metadata[key].get_array().get(each)) {
    uint64_t n = number(metadata, key, kMostHeads);
    if (!n) n = number(metadata, architecture + ".attention.head_count", kMostHeads);
    return n_layers * n;
  }
  uint64_t sum = 0;
  for (json::Element layer : each) {
    uint64_t n = 0;
    if (layer.get_uint64().get(n) || n > kMostHeads || sum > kMostLayers * kMostHeads) return 0;
    sum += n;
  }
  return sum;
}

uint64_t kv_token_bytes(json::Element metadata, const std::string& architecture) {
  uint64_t n_heads = number(metadata, architecture + ".attention.head_count", kMostHeads);
  uint64_t shared =
      n_heads ? number(metadata, architecture + ".embedding_length", kMostWidth) / n_heads : 0;
  uint64_t key = number(metadata, architecture + ".attention.key_length", kMostWidth);
  uint64_t value = number(metadata, architecture + ".attention.value_length", kMostWidth);
  constexpr uint64_t kElementBytes = 2, kScalesBytes = 8;  // of a key and a value
  return kv_heads(metadata, architecture) *
         (((key ? key : shared) + (value ? value : shared)) * kElementBytes + kScalesBytes);
}

std::string reason_of(const ProgramOutput& output, const std::string& path) {
  std::string reason = output.errors;
  while (reason.ends_with('\n')) reason.pop_back();
  constexpr std::string_view kSpeaker = "hearth: ";
  if (reason.starts_with(kSpeaker)) reason.erase(0, kSpeaker.size());
  return reason.empty()
             ? fmt::format("{}: not a model (reading it ended with status {})", path, output.status)
             : reason;
}

}  // namespace

Result<> read_facts(StoredModel& model, const std::string& path) {
  ProgramOptions how;
  how.max_bytes = 64u << 20;
  auto output = run_program({"/proc/self/exe", "dev", "inspect", path, "--json"}, how);
  if (!output) return output.error();
  if (output->status != 0) return Error{Errc::corrupt, reason_of(*output, path)};
  auto document = json::Document::parse(output->out);
  if (!document) return Error{Errc::corrupt, path + ": cannot be described"};
  json::Element metadata;
  if (document->root()["metadata"].get(metadata)) return {};
  std::string_view architecture;
  if (metadata["general.architecture"].get_string().get(architecture)) return {};
  model.architecture = architecture;
  model.n_context_train = number(metadata, model.architecture + ".context_length", kMostContext);
  model.kv_token_bytes = kv_token_bytes(metadata, model.architecture);
  model.licence = words(metadata, "general.license");
  model.publisher = words(metadata, "general.organization");
  return {};
}

}  // namespace hearth::models
