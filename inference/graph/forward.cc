// The forward pass: one for every family, walking over the plan layer by layer.
//
// A batch is ragged: any rows of any sequences. Everything but attention works on each row alone;
// attention finds a row's past through its sequence's block table. A row's result therefore depends
// on its own sequence only, and since the operations sum in an order fixed by position, it does so
// bit for bit however the work was batched.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "graph/blocks/state.h"
#include "graph/layers.h"
#include "graph/model.h"
#include "graph/pass.h"

namespace hearth {
namespace {

// x, h and the tables of cos and sin, beside the blocks' own.
uint64_t common_floats_per_row(const ModelPlan& plan) {
  uint64_t floats = 2 * uint64_t{plan.width};
  for (const Rope& rope : ropes_of(plan)) floats += rope.n_rot;
  floats += PerLayerInputs::floats_per_row(plan);
  return floats;
}

// Of the rows that want something.
enum class Wanted : uint8_t { logits, hidden };

}  // namespace

struct Model::State {
  const std::string path;  // for messages
  Backend& backend;
  const ModelPlan plan;
  const Layers model;

  // Grown to the largest batch seen and then reused: no allocation after warm-up.
  Floats workspace{};
  std::vector<const float*> cos_sin{};
  std::vector<Token> tokens{};

  Result<> check(const Batch& batch, const KvCache& cache) const;
  Pass prepare(const Batch& batch, KvCache& cache);

  // Returns the layer after which a value was not finite, when `watch` is set and there is one.
  std::optional<size_t> run(const Batch& batch, KvCache& cache, Wanted wanted,
                            std::vector<float>& out, bool watch = false);
  Result<> compute(const Batch& batch, KvCache& cache, Wanted wanted, std::vector<float>& out);
  void normalize_sum(const NormWeights& norm, NormKind kind, Pass& pass) const;
  void normalize(const NormWeights& norm, NormKind kind, const float* x, Pass& pass) const;
  template <class Block>
  void add_block(Pass& pass, NormKind kind, const NormWeights& before, const Block& block,
                 const NormWeights& after) const;
};

Result<Model> Model::load(const gguf::File& file, Backend& backend) {
  const Result<ModelPlan> plan = plan_of(file);
  if (!plan) return plan.error();
  return load(file, *plan, backend);
}

Result<Model> Model::load(const gguf::File& file, const ModelPlan& plan, Backend& backend) {
  Result<Layers> layers = load_layers(file, plan, backend);
  if (!layers) return layers.error();
  return Model(std::unique_ptr<State>(new State{file.path(), backend, plan, std::move(*layers)}));
}

Result<> Model::forward(const Batch& batch, KvCache& cache, std::vector<float>& logits) {
  if (!state_->plan.has_output)
    return Error{Errc::unsupported,
                 fmt::format("{}: makes embeddings of texts and no logits", state_->path)};
  return state_->compute(batch, cache, Wanted::logits, logits);
}

Result<> Model::hidden(const Batch& batch, KvCache& cache, std::vector<float>& out) {
  return state_->compute(batch, cache, Wanted::hidden, out);
}

Result<> Model::State::compute(const Batch& batch, KvCache& cache, Wanted wanted,
                               std::vector<float>& out) {
  if (Result<> fits = check(batch, cache); !fits) return fits;
  if (Result<> fits = check_states(batch, cache); !fits) return fits;
  run(batch, cache, wanted, out);

  size_t first_bad = 0;  // among the wanted rows
  const size_t row_size = wanted == Wanted::logits ? plan.n_vocab : plan.width;
  const size_t n_wanted = out.size() / row_size;
  while (first_bad < n_wanted && backend.all_finite(&out[first_bad * row_size], row_size))
    ++first_bad;
  if (first_bad == n_wanted) return {};

  // The same pass again, looking after each layer this time: it writes the same keys and values.
  std::vector<const BatchRow*> rows;
  for (const BatchRow& row : batch.rows)
    if (row.wants_logits) rows.push_back(&row);
  const std::optional<size_t> layer = run(batch, cache, wanted, out, true);
  return Error{Errc::internal,
               fmt::format("{}: logits of sequence {} at position {} are not finite, first {}",
                           path, rows[first_bad]->sequence, rows[first_bad]->position,
                           layer ? fmt::format("in layer {}", *layer) : "in the output matrix")};
}

Result<> Model::State::check(const Batch& batch, const KvCache& cache) const {
  if (cache.shape() != kv_shape(plan, cache.shape().element))
    return Error{Errc::internal, fmt::format("{}: the KV cache was made for another model", path)};
  for (const std::vector<PageIndex>& table : batch.block_tables)
    for (const PageIndex page : table)
      if (page >= cache.n_pages())
        return Error{Errc::invalid, fmt::format("page {} in a block table, expected less than {}",
                                                page, cache.n_pages())};
  for (const BatchRow& row : batch.rows) {
    if (row.token < 0 || static_cast<uint32_t>(row.token) >= plan.n_vocab)
      return Error{Errc::invalid, fmt::format("token {} of sequence {}, expected 0 to {}",
                                              row.token, row.sequence, plan.n_vocab - 1)};
    if (row.sequence >= batch.block_tables.size())
      return Error{Errc::invalid,
                   fmt::format("sequence {} of {}", row.sequence, batch.block_tables.size())};
    if (plan.n_positions > 0 && row.position >= plan.n_positions)
      return Error{Errc::invalid, fmt::format("position {} of sequence {}, expected less than {}",
                                              row.position, row.sequence, plan.n_positions)};
    const size_t n_pages = batch.block_tables[row.sequence].size();
    const size_t at = row.position / kPageTokens;
    if (at < n_pages && !cache.has_window(batch.block_tables[row.sequence][at]))
      return Error{Errc::invalid,
                   fmt::format("position {} of sequence {}, whose page has no window "
                               "part",
                               row.position, row.sequence)};
    if (at >= n_pages)
      return Error{Errc::invalid,
                   fmt::format("position {} of sequence {}, which has {} pages of {} tokens",
                               row.position, row.sequence, n_pages, kPageTokens)};
  }
  return {};
}

std::optional<size_t> Model::State::run(const Batch& batch, KvCache& cache, Wanted wanted,
                                        std::vector<float>& out, bool watch) {
  Pass pass = prepare(batch, cache);
  backend.embed(model.embedding, tokens, plan.embedding_scale, pass.x);

  if (model.encoder) model.encoder->run(backend, batch.rows, pass.x, pass.h);
  if (model.per_layer)
    model.per_layer->run(backend, tokens, pass.x, pass.per_layer,
                         pass.per_layer + pass.n * pass.per_layer_floats);

  for (const Layer& layer : model.layers) {
    pass.is_last_layer = pass.layer + 1 == model.layers.size();
    add_block(pass, layer.norm_kind, layer.before_mixer, layer.mixer, layer.after_mixer);
    normalize_sum(layer.sum_of_mixer, layer.norm_kind, pass);
    add_block(pass, layer.norm_kind, layer.before_ffn, layer.ffn, layer.after_ffn);
    normalize_sum(layer.sum_of_ffn, layer.norm_kind, pass);
    if (layer.per_layer) {
      float* const scratch = pass.scratch;
      layer.per_layer->run(pass);
      pass.scratch = scratch;
    }
    if (layer.output_scale != 1)
      backend.finish_logits(pass.x, layer.output_scale, 0, pass.n * plan.width);
    if (watch && !backend.all_finite(pass.x, pass.n * plan.width)) return pass.layer;
    ++pass.layer;
    if (batch.beat) ++*batch.beat;
  }

  // Of the rows that the last layer kept.
  const size_t row_size = wanted == Wanted::logits ? plan.n_vocab : plan.width;
  out.resize(pass.n * row_size);
  if (pass.n == 0) return std::nullopt;
  normalize(model.output_norm, plan.output_norm, pass.x, pass);
  if (wanted == Wanted::hidden) {
    std::copy_n(pass.h, out.size(), out.data());
    return std::nullopt;
  }
  backend.multiply(std::array{Backend::Product{model.output, nullptr, out.data()}}, pass.h, pass.n);
  backend.finish_logits(out.data(), plan.logit_scale, plan.logit_softcap, out.size());
  return std::nullopt;
}

// x = norm(x), where there is a norm.
void Model::State::normalize_sum(const NormWeights& norm, NormKind kind, Pass& pass) const {
  if (norm.weight.size == 0 || pass.n == 0) return;
  backend.normalize(kind, pass.x, norm.weight.data(), norm.bias.data(), plan.norm_eps, plan.width,
                    pass.n, pass.x);
}

// x += after(block(before(x)))
template <class Block>
void Model::State::add_block(Pass& pass, NormKind kind, const NormWeights& before,
                             const Block& block, const NormWeights& after) const {
  float* const scratch = pass.scratch;
  normalize(before, kind, pass.x, pass);
  std::visit([&](const auto& each) { each.run(pass); }, block);
  pass.scratch = scratch;
  if (pass.n == 0) return;
  if (after.weight.size > 0) normalize(after, kind, pass.h, pass);
  backend.add(pass.x, pass.h, plan.residual_scale, pass.n * plan.width);
}

// h = norm(x), or x itself where there is no norm.
void Model::State::normalize(const NormWeights& norm, NormKind kind, const float* x,
                             Pass& pass) const {
  if (norm.weight.size == 0)
    backend.copy(x, pass.n * plan.width, pass.h);
  else
    backend.normalize(kind, x, norm.weight.data(), norm.bias.data(), plan.norm_eps, plan.width,
                      pass.n, pass.h);
}

// Everything of the batch that does not differ by layer: angles, and each row's block table as a
// span whose pointers a block fills for its layer.
Pass Model::State::prepare(const Batch& batch, KvCache& cache) {
  const size_t n = batch.rows.size();
  const uint64_t floats = n * (common_floats_per_row(plan) + floats_per_row(plan));
  if (workspace.size < floats) workspace = backend.allocate(floats);
  float* next = workspace.data();
  const auto take = [&](uint64_t per_row) { return std::exchange(next, next + n * per_row); };

  tokens.clear();
  for (const BatchRow& row : batch.rows) tokens.push_back(row.token);
  float* const x = take(plan.width);
  float* const h = take(plan.width);
  cos_sin.clear();
  for (const RopeAngles& rope : model.ropes) {
    const size_t n_rot = 2 * rope.n_pairs();
    float* table = take(n_rot);
    for (size_t i = 0; i < n; ++i) rope.at(batch.rows[i].position, table + i * n_rot);
    cos_sin.push_back(table);
  }

  const uint64_t per_layer_floats = uint64_t{plan.per_layer_width} * plan.layers.size();
  float* const per_layer = per_layer_floats > 0 ? take(2 * per_layer_floats) : nullptr;

  Pass pass{.backend = backend,
            .batch = batch,
            .cache = cache,
            .n = n,
            .width = plan.width,
            .x = x,
            .h = h,
            .scratch = next,
            .per_layer = per_layer,
            .per_layer_floats = per_layer_floats,
            .cos_sin = cos_sin,
            .rows = {},
            .pages = {}};
  std::vector<size_t> first_page;  // of each block table in pass.pages
  for (const std::vector<PageIndex>& table : batch.block_tables) {
    first_page.push_back(pass.pages.size());
    pass.pages.resize(pass.pages.size() + table.size());
  }
  for (const BatchRow& row : batch.rows)
    pass.rows.push_back({row.position, std::span(pass.pages)
                                           .subspan(first_page[row.sequence],
                                                    batch.block_tables[row.sequence].size())});
  return pass;
}

uint64_t workspace_bytes(const ModelPlan& plan, uint32_t n_rows) {
  return n_rows * (common_floats_per_row(plan) + floats_per_row(plan)) * sizeof(float);
}

const ModelPlan& Model::plan() const { return state_->plan; }

std::span<const std::string> Model::unused_tensors() const { return state_->model.unused; }

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

}  // namespace hearth
