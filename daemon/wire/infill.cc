#include "wire/infill.h"

#include <limits>

#include "wire/openai.h"
#include "wire/reading.h"

namespace hearth::wire::infill {

namespace {

using json::Array;
using json::Object;

constexpr size_t kMaxFiles = 256;

Object part_object(std::string_view content, bool is_last) {
  return Object{
      {"index", 0}, {"content", content}, {"tokens", Array{}}, {"id_slot", -1}, {"stop", is_last}};
}

class InfillAnswer final : public AnswerShape {
 public:
  std::string whole(const Head& head, const Completion& completion) override {
    return boost::json::serialize(last_object(head, completion, text_of(completion.message)));
  }
  void begin(const Head&, std::string&) override {}
  void hear(const Head&, const StreamDelta& delta, std::string& out) override {
    if (delta.kind == StreamDelta::Kind::text && !delta.text.empty())
      add_event(out, "", boost::json::serialize(part_object(delta.text, false)));
  }
  void end(const Head& head, const Completion& completion, std::string& out) override {
    add_event(out, "", boost::json::serialize(last_object(head, completion, "")));
  }
  void fail(const Head&, const Failure& failure, std::string& out) override {
    add_event(out, "", openai::error_reply(failure).body);
  }

 private:
  static Object last_object(const Head& head, const Completion& completion,
                            std::string_view content) {
    const bool is_word = completion.stop_string.has_value();
    const bool is_cut = completion.finish_reason == FinishReason::length;
    Object out = part_object(content, true);
    out["model"] = head.model;
    out["tokens_predicted"] = completion.usage.n_completion;
    out["tokens_evaluated"] = completion.usage.n_prompt;
    out["tokens_cached"] = completion.usage.n_cached;
    out["truncated"] = false;
    out["stop_type"] = is_word ? "word" : is_cut ? "limit" : "eos";
    out["stopping_word"] = completion.stop_string.value_or("");
    out["has_new_line"] = text_of(completion.message).find('\n') != std::string::npos;
    out["timings"] = openai::timings_object(completion.usage, completion.timings);
    return out;
  }
};

Result<> read_files(Element body, std::vector<Infill::File>& out) {
  auto extra = member(body, "input_extra");
  if (!extra) return {};
  simdjson::dom::array list;
  if (extra->get_array().get(list)) return wrong("input_extra", "an array");
  for (Element item : list) {
    auto text = string_member(item, "text");
    if (!text) return wrong(fmt::format("input_extra[{}].text", out.size()), "a string");
    std::string path = text_member(item, "filename");
    out.push_back({path.empty() ? "snippet" : std::move(path), std::string(*text)});
    if (out.size() > kMaxFiles)
      return wrong("input_extra", fmt::format("at most {} entries", kMaxFiles));
  }
  return {};
}

}  // namespace

Result<Asked, Failure> parse(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) return document.error();
  const Element body = document->root();
  if (!body.is_object()) return wrong("body", "an object");
  Asked asked;
  if (auto model = string_member(body, "model"); model && !model->empty())
    asked.model = std::string(*model);
  Infill infill;
  for (const auto& [name, place] :
       {std::pair{"input_prefix", &infill.prefix}, std::pair{"input_suffix", &infill.suffix},
        std::pair{"prompt", &infill.begun}, std::pair{"filename", &infill.path},
        std::pair{"repository", &infill.repository}}) {
    auto value = member(body, name);
    std::string_view written;
    if (value && value->get_string().get(written)) return wrong(name, "a string");
    *place = std::string(written);
  }
  if (!member(body, "input_prefix") && !member(body, "input_suffix"))
    return wrong("input_prefix", "a string, with input_suffix");
  if (auto done = read_files(body, infill.others); !done) return done.error();
  CompletionRequest& out = asked.body;
  out.infill = std::move(infill);
  // -1: as far as it goes; 0 warms the cache, which takes one token here.
  std::optional<int64_t> n_most;
  for (const char* name : {"n_predict", "max_tokens"})
    if (auto done = read_number(body, name, -1, std::numeric_limits<int32_t>::max(), n_most); !done)
      return done.error();
  if (n_most && *n_most >= 0) out.max_tokens = std::max(1u, static_cast<uint32_t>(*n_most));
  if (auto done = read_flag(body, "stream", asked.is_stream); !done) return done.error();
  if (auto done = openai::read_sampling(body, out.sampling); !done) return done.error();
  if (auto done = openai::read_stop(body, out.stop); !done) return done.error();
  out.lane = text_member(body, "lane");
  asked.shape = std::make_unique<InfillAnswer>();
  return asked;
}

}  // namespace hearth::wire::infill
