// The forward pass: one for every family, reading the plan layer by layer.
//
// A batch is ragged: any rows of any sequences. Everything but attention works on each row alone;
// attention finds a row's past through its sequence's block table. A row's result therefore depends
// on its own sequence only, and since the operations sum in an order fixed by position, it does so
// bit for bit however the work was batched.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "graph/model.h"
#include "graph/rope.h"
#include "graph/weights.h"
#include "graph/workspace.h"
#include "models/plan.h"

namespace hearth {
namespace {

// No NaN and no infinity: the exponent is not all ones. Integer arithmetic, so that it vectorizes.
bool all_finite(const float* values, size_t n) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; ++i)
    bad |= static_cast<uint32_t>((std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent);
  return bad == 0;
}

}  // namespace

struct Model::State {
  const std::string path;  // for messages
  const cpu::Machine machine;
  const bool exact;
  const HParams hp;
  const ModelPlan plan;
  const Weights weights;
  const RopeAngles angles;
  Workspace ws;

  Result<> check(const Batch& batch, const KvCache& cache) const;
  void prepare(const Batch& batch);

  // Returns the layer after which a value was not finite, when `watch` is set and there is one.
  std::optional<size_t> run(const Batch& batch, KvCache& cache, std::vector<float>& logits,
                            bool watch = false);
  void attention_block(size_t layer, const Batch& batch, KvCache& cache);
  void feed_forward_block(size_t layer);
  void keep_wanted_rows(const Batch& batch);
  void linear(const Linear& weight, const float* x, float* y);
  void add_bias(const Linear& weight, float* y);

  size_t n = 0;  // rows of the residual stream in this pass
};

Result<Model> Model::load(const gguf::File& file, cpu::Machine machine, bool exact) {
  const Family* family = find_family(file.architecture());
  if (!family)
    return Error{Errc::unsupported,
                 fmt::format("{}: architecture '{}' is not supported, expected one of: {}",
                             file.path(), file.architecture(), fmt::join(known_families(), ", "))};
  Result<HParams> hparams = HParams::read(file);
  if (!hparams) return hparams.error();
  Result<ModelPlan> plan = family->plan(*hparams, file);
  if (!plan) return plan.error();
  Result<Weights> weights = load_weights(file, *hparams, *plan);
  if (!weights) return weights.error();

  const RopeAngles angles(*hparams, weights->rope_factors);
  return Model(std::unique_ptr<State>(new State{file.path(), machine, exact, std::move(*hparams),
                                                std::move(*plan), std::move(*weights), angles,
                                                Workspace{}}));
}

Result<> Model::forward(const Batch& batch, KvCache& cache, std::vector<float>& logits) {
  State& state = *state_;
  if (Result<> fits = state.check(batch, cache); !fits) return fits;
  state.run(batch, cache, logits);

  size_t first_bad = 0;  // among the wanted rows
  const size_t n_vocab = state.hp.n_vocab;
  const size_t n_wanted = logits.size() / n_vocab;
  while (first_bad < n_wanted && all_finite(&logits[first_bad * n_vocab], n_vocab)) ++first_bad;
  if (first_bad == n_wanted) return {};

  // The same pass again, looking after each layer this time: it writes the same keys and values.
  std::vector<const BatchRow*> wanted;
  for (const BatchRow& row : batch.rows)
    if (row.wants_logits) wanted.push_back(&row);
  const std::optional<size_t> layer = state.run(batch, cache, logits, true);
  return Error{Errc::internal,
               fmt::format("{}: logits of sequence {} at position {} are not finite, first {}",
                           state.path, wanted[first_bad]->sequence, wanted[first_bad]->position,
                           layer ? fmt::format("in layer {}", *layer) : "in the output matrix")};
}

Result<> Model::State::check(const Batch& batch, const KvCache& cache) const {
  const KvShape& shape = cache.shape();
  if (shape.n_layers != hp.n_layers || shape.n_kv_heads != hp.n_kv_heads ||
      shape.head_dim != hp.head_dim)
    return Error{Errc::internal, fmt::format("{}: the KV cache was made for another model", path)};
  for (const std::vector<PageIndex>& table : batch.block_tables)
    for (const PageIndex page : table)
      if (page >= cache.n_pages())
        return Error{Errc::invalid, fmt::format("page {} in a block table, expected less than {}",
                                                page, cache.n_pages())};
  for (const BatchRow& row : batch.rows) {
    if (row.token < 0 || static_cast<uint32_t>(row.token) >= hp.n_vocab)
      return Error{Errc::invalid, fmt::format("token {} of sequence {}, expected 0 to {}",
                                              row.token, row.sequence, hp.n_vocab - 1)};
    if (row.sequence >= batch.block_tables.size())
      return Error{Errc::invalid,
                   fmt::format("sequence {} of {}", row.sequence, batch.block_tables.size())};
    const size_t n_pages = batch.block_tables[row.sequence].size();
    if (row.position / cpu::kPageTokens >= n_pages)
      return Error{Errc::invalid,
                   fmt::format("position {} of sequence {}, which has {} pages of "
                               "{} tokens",
                               row.position, row.sequence, n_pages, cpu::kPageTokens)};
  }
  return {};
}

std::optional<size_t> Model::State::run(const Batch& batch, KvCache& cache,
                                        std::vector<float>& logits, bool watch) {
  prepare(batch);
  for (size_t i = 0; i < n; ++i)
    cpu::dequantize_row(weights.embedding, static_cast<uint64_t>(batch.rows[i].token),
                        &ws.x[i * hp.width]);

  for (size_t layer = 0; layer < plan.layers.size(); ++layer) {
    attention_block(layer, batch, cache);
    feed_forward_block(layer);
    if (watch && !all_finite(ws.x.data(), n * hp.width)) return layer;
  }

  logits.resize(n * hp.n_vocab);  // of the rows that the last layer kept
  if (n == 0) return std::nullopt;
  cpu::rms_norm(machine, ws.x.data(), weights.output_norm.data(), hp.norm_eps, hp.width, n,
                ws.h.data());
  cpu::matmul(machine, weights.output, ws.h.data(), n, logits.data(), hp.n_vocab, exact);
  return std::nullopt;
}

// x += o(attention(rope(qkv(norm(x)))))
void Model::State::attention_block(size_t layer, const Batch& batch, KvCache& cache) {
  const Attention& mixer = plan.layers[layer].mixer;
  const LayerWeights& w = weights.layers[layer];
  const size_t q_width = hp.q_width(), kv_width = hp.kv_width();

  cpu::rms_norm(machine, ws.x.data(), w.attn_norm.data(), hp.norm_eps, hp.width, n, ws.h.data());
  const std::array<cpu::MatmulOut, 3> qkv{{{&w.q.matrix, ws.q.data(), q_width},
                                           {&w.k.matrix, ws.k.data(), kv_width},
                                           {&w.v.matrix, ws.v.data(), kv_width}}};
  cpu::matmul_many(machine, qkv, ws.h.data(), n, exact);
  add_bias(w.q, ws.q.data());
  add_bias(w.k, ws.k.data());
  add_bias(w.v, ws.v.data());
  if (mixer.qk_norm_per_head) {
    cpu::rms_norm(machine, ws.q.data(), w.q_norm.data(), hp.norm_eps, hp.head_dim, n * hp.n_heads,
                  ws.q.data());
    cpu::rms_norm(machine, ws.k.data(), w.k_norm.data(), hp.norm_eps, hp.head_dim,
                  n * hp.n_kv_heads, ws.k.data());
  }
  cpu::rope(machine, mixer.rope, ws.q.data(), q_width, hp.n_heads, hp.head_dim, hp.n_rot,
            ws.cos_sin.data(), n);
  cpu::rope(machine, mixer.rope, ws.k.data(), kv_width, hp.n_kv_heads, hp.head_dim, hp.n_rot,
            ws.cos_sin.data(), n);

  size_t next = 0;
  for (const std::vector<PageIndex>& table : batch.block_tables)
    for (const PageIndex page : table)
      ws.pages[next++] = cache.data(static_cast<uint32_t>(layer), page);
  const cpu::AttentionShape shape{.n_heads = hp.n_heads,
                                  .n_kv_heads = hp.n_kv_heads,
                                  .head_dim = hp.head_dim,
                                  .scale = hp.attention_scale,
                                  .window = mixer.window,
                                  .softcap = 0,
                                  .element = cache.shape().element};
  cpu::kv_store(machine, shape, std::span(ws.rows).first(n), ws.k.data(), ws.v.data(), kv_width);

  // Past the last layer's keys and values only the wanted rows matter.
  if (layer + 1 == plan.layers.size()) keep_wanted_rows(batch);
  if (n == 0) return;
  cpu::attention(machine, shape, std::span(ws.rows).first(n), ws.q.data(), q_width,
                 ws.context.data(), q_width);
  linear(w.o, ws.context.data(), ws.h.data());
  cpu::add(machine, ws.x.data(), ws.h.data(), n * hp.width);
}

// x += down(silu(gate(norm(x))) * up(norm(x)))
void Model::State::feed_forward_block(size_t layer) {
  if (n == 0) return;
  const LayerWeights& w = weights.layers[layer];
  cpu::rms_norm(machine, ws.x.data(), w.ffn_norm.data(), hp.norm_eps, hp.width, n, ws.h.data());
  const std::array<cpu::MatmulOut, 2> gate_up{
      {{&w.gate.matrix, ws.gate.data(), hp.n_ff}, {&w.up.matrix, ws.up.data(), hp.n_ff}}};
  cpu::matmul_many(machine, gate_up, ws.h.data(), n, exact);
  add_bias(w.gate, ws.gate.data());
  add_bias(w.up, ws.up.data());
  cpu::silu_mul(machine, ws.gate.data(), ws.up.data(), n * hp.n_ff, ws.gate.data());
  linear(w.down, ws.gate.data(), ws.h.data());
  cpu::add(machine, ws.x.data(), ws.h.data(), n * hp.width);
}

void Model::State::linear(const Linear& weight, const float* x, float* y) {
  cpu::matmul(machine, weight.matrix, x, n, y, weight.matrix.rows, exact);
  add_bias(weight, y);
}

void Model::State::add_bias(const Linear& weight, float* y) {
  if (!weight.bias.empty()) cpu::add_bias(machine, y, weight.bias.data(), weight.matrix.rows, n);
}

// Everything of the batch that does not differ by layer: angles, and each row's block table as a
// span whose pointers attention_block() fills for its layer.
void Model::State::prepare(const Batch& batch) {
  n = batch.rows.size();
  ws.fit(hp, n);
  std::vector<size_t>& first_page = ws.first_page;
  first_page.clear();
  size_t n_pages = 0;
  for (const std::vector<PageIndex>& table : batch.block_tables) {
    first_page.push_back(n_pages);
    n_pages += table.size();
  }
  ws.pages.resize(n_pages);
  ws.rows.clear();
  for (size_t i = 0; i < n; ++i) {
    const BatchRow& row = batch.rows[i];
    angles.at(row.position, &ws.cos_sin[i * hp.n_rot]);
    ws.rows.push_back(
        {row.position, std::span(ws.pages).subspan(first_page[row.sequence],
                                                   batch.block_tables[row.sequence].size())});
  }
}

// Moves the rows that want logits to the front of x, q and rows.
void Model::State::keep_wanted_rows(const Batch& batch) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!batch.rows[i].wants_logits) continue;
    if (kept != i) {
      std::copy_n(&ws.x[i * hp.width], hp.width, &ws.x[kept * hp.width]);
      std::copy_n(&ws.q[i * hp.q_width()], hp.q_width(), &ws.q[kept * hp.q_width()]);
      ws.rows[kept] = ws.rows[i];
    }
    ++kept;
  }
  n = kept;
}

const HParams& Model::hparams() const { return state_->hp; }

KvShape Model::kv_shape(cpu::KvElement element) const {
  const HParams& hp = state_->hp;
  return {hp.n_layers, hp.n_kv_heads, hp.head_dim, element};
}

uint64_t Model::workspace_bytes(uint32_t n_rows) const {
  return n_rows * Workspace::floats_per_row(state_->hp) * sizeof(float);
}

std::span<const std::string> Model::unused_tensors() const { return state_->weights.unused; }

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

}  // namespace hearth
