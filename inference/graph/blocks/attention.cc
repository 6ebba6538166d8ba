#include "graph/blocks/attention.h"

#include <array>
#include <cmath>

namespace hearth {
namespace {

uint64_t q_width(const Attention& plan) { return uint64_t{plan.n_heads} * plan.k_dim; }
uint64_t k_width(const Attention& plan) { return uint64_t{plan.n_kv_heads} * plan.k_dim; }
uint64_t v_width(const Attention& plan) { return uint64_t{plan.n_kv_heads} * plan.v_dim; }
uint64_t context_width(const Attention& plan) { return uint64_t{plan.n_heads} * plan.v_dim; }

// The rows as if each stood at the last position of its sequence.
std::vector<AttentionRow> rows_seeing_all(const Pass& pass) {
  std::vector<AttentionRow> rows(pass.rows.begin(),
                                 pass.rows.begin() + static_cast<ptrdiff_t>(pass.n));
  for (size_t i = rows.size() - 1; i-- > 0;)
    if (rows[i].pages.data() == rows[i + 1].pages.data()) rows[i].position = rows[i + 1].position;
  return rows;
}

}  // namespace

AttentionBlock AttentionBlock::load(Loader& loader, const ModelPlan& model, const Attention& plan,
                                    const std::string& prefix, size_t rope) {
  AttentionBlock block;
  block.plan_ = plan;
  block.norm_eps_ = model.norm_eps;
  block.rope_ = rope;
  const uint64_t q = q_width(plan), k = k_width(plan), v = v_width(plan);
  if (plan.is_fused) {
    const std::string name = prefix + "attn_qkv";
    block.q_ = loader.part(name, model.width, q + k + v, 0, q);
    block.k_ = loader.part(name, model.width, q + k + v, q, k);
    block.v_ = loader.part(name, model.width, q + k + v, q + k, v);
  } else {
    if (plan.is_gated) {
      using Rows = Loader::RowPattern;
      const uint64_t dim = plan.k_dim, heads = plan.n_heads;
      const std::array queries{Rows{0, dim, 2 * dim, heads}}, gates{Rows{dim, dim, 2 * dim, heads}};
      block.q_ = loader.picked(prefix + "attn_q", model.width, 2 * q, queries);
      block.gate_ = loader.picked(prefix + "attn_q", model.width, 2 * q, gates);
    } else {
      block.q_ = loader.linear(prefix + "attn_q", model.width, q);
    }
    if (!plan.kv_of) block.k_ = loader.linear(prefix + "attn_k", model.width, k);
    if (!plan.kv_of && plan.has_v) block.v_ = loader.linear(prefix + "attn_v", model.width, v);
  }
  block.o_ = loader.linear(prefix + "attn_output", context_width(plan), model.width);
  if (plan.qk_norm != Attention::QkNorm::none) {
    const bool is_per_head = plan.qk_norm != Attention::QkNorm::whole;
    block.q_norm_ = loader.vector(prefix + "attn_q_norm.weight", is_per_head ? plan.k_dim : q);
    if (!plan.kv_of)
      block.k_norm_ = loader.vector(prefix + "attn_k_norm.weight", is_per_head ? plan.k_dim : k);
  }
  if (plan.normalizes_v) block.v_norm_ = loader.constant(plan.v_dim, 1);
  if (plan.has_sinks) block.sinks_ = loader.vector(prefix + "attn_sinks.weight", plan.n_heads);
  return block;
}

void AttentionBlock::run(Pass& pass) const {
  Backend& backend = pass.backend;
  float* q = pass.take(q_width(plan_));
  float* k = pass.take(k_width(plan_));
  float* v = pass.take(v_width(plan_));
  float* context = pass.take(context_width(plan_));
  float* gate = pass.take(plan_.is_gated ? context_width(plan_) : 0);

  const bool has_kv = !plan_.kv_of;
  const std::array<Backend::Product, 3> qkv{{q_.into(q), k_.into(k), v_.into(v)}};
  backend.multiply(std::span(qkv).first(!has_kv ? 1 : plan_.has_v ? 3 : 2), pass.h, pass.n);
  if (plan_.is_gated) backend.multiply(std::array{gate_.into(gate)}, pass.h, pass.n);
  if (has_kv && !plan_.has_v) backend.copy(k, pass.n * v_width(plan_), v);
  if (has_kv && plan_.normalizes_v)
    backend.normalize(NormKind::rms, v, v_norm_.data(), nullptr, norm_eps_, plan_.v_dim,
                      pass.n * plan_.n_kv_heads, v);
  const bool has_norm = plan_.qk_norm != Attention::QkNorm::none;
  const bool is_rope_first = plan_.qk_norm == Attention::QkNorm::per_head_after_rope;
  if (has_norm && !is_rope_first) normalize_heads(pass, q, k);
  if (plan_.rope.kind != RopeKind::none) {
    const float* cos_sin = pass.cos_sin[rope_];
    backend.rope(plan_.rope.kind, q, plan_.n_heads, plan_.k_dim, plan_.rope.n_rot, cos_sin, pass.n);
    if (has_kv)
      backend.rope(plan_.rope.kind, k, plan_.n_kv_heads, plan_.k_dim, plan_.rope.n_rot, cos_sin,
                   pass.n);
  }
  if (has_norm && is_rope_first) normalize_heads(pass, q, k);
  apply_temperature(pass, q);

  point_at_layer(pass, plan_.kv_of.value_or(pass.layer));
  const AttentionShape shape{.n_heads = plan_.n_heads,
                             .n_kv_heads = plan_.n_kv_heads,
                             .k_dim = plan_.k_dim,
                             .v_dim = plan_.v_dim,
                             .scale = plan_.scale,
                             .window = plan_.window,
                             .softcap = plan_.softcap,
                             .sinks = sinks_.data(),
                             .element = pass.cache.shape().element};
  if (has_kv) backend.store_kv(shape, std::span(pass.rows).first(pass.n), k, v);
  if (pass.is_last_layer)
    keep_wanted_rows(pass,
                     {{q, q_width(plan_)}, {gate, plan_.is_gated ? context_width(plan_) : 0}});
  if (pass.n == 0) return;
  if (plan_.is_causal)
    backend.attend(shape, std::span(pass.rows).first(pass.n), q, context);
  else
    backend.attend(shape, rows_seeing_all(pass), q, context);
  if (plan_.is_gated) backend.gate(context, gate, pass.n * context_width(plan_));
  backend.multiply(std::array{o_.into(pass.h)}, context, pass.n);
}

void AttentionBlock::normalize_heads(Pass& pass, float* q, float* k) const {
  const auto normalize = [&](float* x, const Floats& weight, uint32_t n_heads) {
    const bool is_whole = plan_.qk_norm == Attention::QkNorm::whole;
    const size_t n_vectors = is_whole ? 1 : n_heads;
    pass.backend.normalize(NormKind::rms, x, weight.data(), nullptr, norm_eps_,
                           n_heads / n_vectors * plan_.k_dim, pass.n * n_vectors, x);
  };
  normalize(q, q_norm_, plan_.n_heads);
  if (!plan_.kv_of) normalize(k, k_norm_, plan_.n_kv_heads);
}

void AttentionBlock::apply_temperature(Pass& pass, float* q) const {
  if (plan_.temperature == 0) return;
  std::vector<float> scale(pass.n);
  for (size_t i = 0; i < pass.n; ++i) {
    const auto turns = static_cast<float>(pass.rows[i].position / plan_.rope.original_context);
    scale[i] = 1 + plan_.temperature * std::log(1 + turns);
  }
  pass.backend.scale_rows(q, scale.data(), q_width(plan_), pass.n);
}

uint64_t AttentionBlock::floats_per_row(const ModelPlan&, const Attention& plan) {
  return q_width(plan) + k_width(plan) + v_width(plan) +
         (plan.is_gated ? 2 : 1) * context_width(plan);
}

KvLayer AttentionBlock::kv_layer(const Attention& plan) {
  if (plan.kv_of) return {.window = plan.window};
  return {plan.n_kv_heads, plan.k_dim, plan.v_dim, plan.window};
}

}  // namespace hearth
