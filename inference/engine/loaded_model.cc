#include "engine/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/memory_plan.h"
#include "sampler/settings.h"

namespace hearth::engine {

uint64_t default_memory_bytes(uint64_t usable_bytes) {
  constexpr uint64_t kMachineShare = 10;  // what the rest of the machine keeps: one part in ten
  return usable_bytes - usable_bytes / kMachineShare;
}

namespace {

KvElement element_of(KvType type) {
  switch (type) {
    case KvType::f32: return KvElement::f32;
    case KvType::q8_0: return KvElement::i8;
    case KvType::f16:
    case KvType::automatic: break;
  }
  return KvElement::i16;
}

uint64_t weights_bytes(const gguf::File& file, const Backend& backend) {
  uint64_t sum = 0;
  for (const gguf::Tensor& tensor : file.tensors()) sum += backend.prepared_bytes(tensor);
  return sum;
}

// What a model may take: the machine's memory less a margin and what others took, or less where the
// settings say so.
uint64_t available_bytes(const ModelSettings& settings, const Backend& backend,
                         uint64_t taken_bytes) {
  const uint64_t usable = backend.usable_bytes();
  const uint64_t shared = settings.memory_bytes ? usable : default_memory_bytes(usable);
  const uint64_t left = shared - std::min(shared, taken_bytes);
  return settings.memory_bytes ? std::min(left, settings.memory_bytes) : left;
}

MemoryNeeds needs_of(const Load& request, uint64_t taken_bytes, const gguf::File& file,
                     const ModelPlan& plan, const KvShape& shape, const Backend& backend) {
  return {.model = request.model,
          .available_bytes = available_bytes(request.settings, backend, taken_bytes),
          .weights_bytes = weights_bytes(file, backend),
          .workspace_bytes = workspace_bytes(plan, kStepRows) +
                             uint64_t{kMaxRunning + kScoredRows} * plan.n_vocab * sizeof(float),
          .page_bytes = KvCache::page_bytes(shape),
          .window_bytes = KvCache::window_bytes(shape),
          .windows_per_sequence = windows_per_sequence(shape),
          .page_tokens = kPageTokens,
          .n_context_wanted =
              request.settings.n_context ? request.settings.n_context : plan.n_context_train};
}

std::vector<Token> end_tokens_of(const Tokenizer& tokenizer) {
  std::vector<Token> out;
  for (size_t id = 0; id < tokenizer.n_vocab(); ++id)
    if (tokenizer.is_end(static_cast<Token>(id))) out.push_back(static_cast<Token>(id));
  return out;
}

void append_notes(ModelFacts& facts, std::span<const std::string> notes) {
  facts.notes.insert(facts.notes.end(), notes.begin(), notes.end());
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(const Load& request, Backend& backend,
                                                       uint64_t taken_bytes) {
  auto file = gguf::File::open(request.path);
  if (!file) return file.error();
  auto read_tokenizer = Tokenizer::load(*file);
  if (!read_tokenizer) return read_tokenizer.error();
  auto tokenizer = std::make_unique<const Tokenizer>(std::move(*read_tokenizer));
  auto chat_template = ChatTemplate::load(*file, *tokenizer);
  if (!chat_template) return chat_template.error();
  const auto plan = plan_of(*file);
  if (!plan) return plan.error();
  if (tokenizer->n_vocab() > plan->n_vocab)
    return Error{Errc::corrupt,
                 fmt::format("{}: the vocabulary has {} tokens, the embedding matrix "
                             "only {} rows",
                             request.path, tokenizer->n_vocab(), plan->n_vocab)};

  // Whether it fits is known before anything large is touched.
  const KvShape shape = kv_shape(*plan, element_of(request.settings.kv_type));
  const MemoryNeeds needs = needs_of(request, taken_bytes, *file, *plan, shape, backend);
  auto memory = plan_memory(needs);
  if (!memory) return memory.error();
  auto model = Model::load(*file, *plan, backend);
  if (!model) return model.error();
  auto cache = KvCache::create(shape, memory->n_pages, memory->n_windows);
  if (!cache) return cache.error();

  ModelFacts facts;
  facts.architecture = plan->architecture;
  facts.name = file->string_or("general.name", "");
  facts.n_context = memory->n_context;
  facts.n_context_train = plan->n_context_train;
  facts.weights_bytes = needs.weights_bytes;
  facts.kv_bytes = memory->kv_bytes;
  facts.n_vocab = static_cast<uint32_t>(tokenizer->n_vocab());
  facts.n_threads = backend.n_threads();
  facts.cpu_path = backend.name();
  facts.has_template = file->find("tokenizer.chat_template") != nullptr;
  facts.switches_thinking = chat_template->switches_thinking();
  facts.knows_effort = chat_template->knows_effort();
  facts.notes = std::move(memory->notes);
  if (request.settings.n_threads && request.settings.n_threads != facts.n_threads)
    facts.notes.push_back(
        fmt::format("{} threads as configured for the model that was loaded "
                    "first, not {}: all models share them",
                    facts.n_threads, request.settings.n_threads));
  if (facts.n_context > plan->n_context_train)
    facts.notes.push_back(
        fmt::format("context of {} tokens, as configured, is beyond the {} that "
                    "the model was trained for",
                    facts.n_context, plan->n_context_train));
  append_notes(facts, tokenizer->notes());
  append_notes(facts, chat_template->notes());
  if (auto unused = model->unused_tensors(); !unused.empty())
    facts.notes.push_back(fmt::format("{} tensors of the file are not used, the first is {}",
                                      unused.size(), unused.front()));

  const dialects::Dialect& dialect =
      dialects::dialect_of(file->string_or("tokenizer.chat_template", ""));
  Sampling sampling = hearth::sampling_defaults(*file);
  std::vector<Token> end_tokens = end_tokens_of(*tokenizer);
  const uint32_t n_vocab = facts.n_vocab;
  auto grammars = std::make_unique<Grammars>(*tokenizer);
  const std::optional<FimTokens> fim = fim_tokens_of(*file, *tokenizer);
  const uint64_t planned_bytes = needs.weights_bytes + needs.workspace_bytes + facts.kv_bytes;
  return std::unique_ptr<LoadedModel>(new LoadedModel{.name = request.model,
                                                      .settings = request.settings,
                                                      .file = std::move(*file),
                                                      .tokenizer = std::move(tokenizer),
                                                      .chat_template = std::move(*chat_template),
                                                      .dialect = dialect,
                                                      .grammars = std::move(grammars),
                                                      .fim = fim,
                                                      .model = std::move(*model),
                                                      .cache = std::move(*cache),
                                                      .facts = std::move(facts),
                                                      .sampling_defaults = std::move(sampling),
                                                      .end_tokens = std::move(end_tokens),
                                                      .planned_bytes = planned_bytes,
                                                      .n_vocab = n_vocab});
}

}  // namespace hearth::engine
