#include "graph/blocks/attention.h"

#include <array>
#include <cmath>

namespace hearth {
namespace {

uint64_t q_width(const Attention& plan) { return uint64_t{plan.n_heads} * plan.k_dim; }
uint64_t k_width(const Attention& plan) { return uint64_t{plan.n_kv_heads} * plan.k_dim; }
uint64_t v_width(const Attention& plan) { return uint64_t{plan.n_kv_heads} * plan.v_dim; }
uint64_t context_width(const Attention& plan) { return uint64_t{plan.n_heads} * plan.v_dim; }

// Each block table's pages as this layer's memory; pass.rows hold spans of it.
void point_at_layer(Pass& pass) {
  size_t next = 0;
  for (const std::vector<PageIndex>& table : pass.batch.block_tables)
    for (const PageIndex page : table) pass.pages[next++] = pass.cache.data(pass.layer, page);
}

// Past the last layer's keys and values only the rows whose logits are wanted matter: moves them to
// the front of x, q and rows.
void keep_wanted_rows(Pass& pass, float* q, size_t q_row) {
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < pass.n; ++i) {
    if (!pass.batch.rows[i].wants_logits) continue;
    pass.rows[kept.size()] = pass.rows[i];
    kept.push_back(i);
  }
  pass.backend.keep_rows(pass.x, pass.width, kept);
  pass.backend.keep_rows(q, q_row, kept);
  pass.n = kept.size();
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
    block.q_ = loader.linear(prefix + "attn_q", model.width, q);
    block.k_ = loader.linear(prefix + "attn_k", model.width, k);
    block.v_ = loader.linear(prefix + "attn_v", model.width, v);
  }
  block.o_ = loader.linear(prefix + "attn_output", context_width(plan), model.width);
  if (plan.qk_norm != Attention::QkNorm::none) {
    const bool is_per_head = plan.qk_norm != Attention::QkNorm::whole;
    block.q_norm_ = loader.vector(prefix + "attn_q_norm.weight", is_per_head ? plan.k_dim : q);
    block.k_norm_ = loader.vector(prefix + "attn_k_norm.weight", is_per_head ? plan.k_dim : k);
  }
  if (plan.has_sinks) block.sinks_ = loader.vector(prefix + "attn_sinks.weight", plan.n_heads);
  return block;
}

void AttentionBlock::run(Pass& pass) const {
  Backend& backend = pass.backend;
  float* q = pass.take(q_width(plan_));
  float* k = pass.take(k_width(plan_));
  float* v = pass.take(v_width(plan_));
  float* context = pass.take(context_width(plan_));

  const std::array<Backend::Product, 3> qkv{{q_.into(q), k_.into(k), v_.into(v)}};
  backend.multiply(qkv, pass.h, pass.n);
  const bool has_norm = plan_.qk_norm != Attention::QkNorm::none;
  const bool is_rope_first = plan_.qk_norm == Attention::QkNorm::per_head_after_rope;
  if (has_norm && !is_rope_first) normalize_heads(pass, q, k);
  if (plan_.rope.kind != RopeKind::none) {
    const float* cos_sin = pass.cos_sin[rope_];
    backend.rope(plan_.rope.kind, q, plan_.n_heads, plan_.k_dim, plan_.rope.n_rot, cos_sin, pass.n);
    backend.rope(plan_.rope.kind, k, plan_.n_kv_heads, plan_.k_dim, plan_.rope.n_rot, cos_sin,
                 pass.n);
  }
  if (has_norm && is_rope_first) normalize_heads(pass, q, k);
  apply_temperature(pass, q);

  point_at_layer(pass);
  const AttentionShape shape{.n_heads = plan_.n_heads,
                             .n_kv_heads = plan_.n_kv_heads,
                             .k_dim = plan_.k_dim,
                             .v_dim = plan_.v_dim,
                             .scale = plan_.scale,
                             .window = plan_.window,
                             .softcap = plan_.softcap,
                             .sinks = sinks_.data(),
                             .element = pass.cache.shape().element};
  backend.store_kv(shape, std::span(pass.rows).first(pass.n), k, v);
  if (pass.is_last_layer) keep_wanted_rows(pass, q, q_width(plan_));
  if (pass.n == 0) return;
  backend.attend(shape, std::span(pass.rows).first(pass.n), q, context);
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
  normalize(k, k_norm_, plan_.n_kv_heads);
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
  return q_width(plan) + k_width(plan) + v_width(plan) + context_width(plan);
}

KvLayer AttentionBlock::kv_layer(const Attention& plan) {
  return {plan.n_kv_heads, plan.k_dim, plan.v_dim, plan.window};
}

}  // namespace hearth
