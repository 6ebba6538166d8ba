// Problem: keys and values of many heads make a large cache. Idea: they are projections of one
// small latent vector c per token, so c (and one rotated key part that all heads share) is all
// there is.
//
// Absorbed, where the file has the projections apart (attn_k_b, attn_v_b): q.(K c) = (K^T q).c, so
// the query goes into the latent space and attention runs over the cached [c, rotated] as with one
// key head that all query heads share, its value being c; what comes out is projected per head.
// Not absorbed, where it has them as one matrix (attn_kv_b, older files): keys and values are
// computed and cached as in ordinary attention.
#include "graph/blocks/mla.h"

#include <algorithm>
#include <array>

namespace hearth {
namespace {

uint64_t nope_width(const Mla& plan) { return uint64_t{plan.n_heads} * plan.nope_dim; }
uint64_t rotated_width(const Mla& plan) { return uint64_t{plan.n_heads} * plan.rope.n_rot; }
uint64_t value_width(const Mla& plan) { return uint64_t{plan.n_heads} * plan.v_dim; }

// What attention sees.
AttentionShape shape_of(const Mla& plan) {
  const bool is_absorbed = plan.is_absorbed;
  return {.n_heads = plan.n_heads,
          .n_kv_heads = is_absorbed ? 1 : plan.n_heads,
          .k_dim = (is_absorbed ? plan.latent_dim : plan.nope_dim) + plan.rope.n_rot,
          .v_dim = is_absorbed ? plan.latent_dim : plan.v_dim,
          .scale = plan.scale};
}

}  // namespace

MlaBlock MlaBlock::load(Loader& loader, const ModelPlan& model, const Mla& plan,
                        const std::string& prefix, size_t rope) {
  using Rows = Loader::RowPattern;
  MlaBlock block;
  block.plan_ = plan;
  block.rope_ = rope;
  const uint64_t width = model.width, heads = plan.n_heads, nope = plan.nope_dim;
  const uint64_t n_rot = plan.rope.n_rot, latent = plan.latent_dim, v = plan.v_dim;

  const bool has_q_rank = plan.q_rank > 0;
  if (has_q_rank) {
    block.q_a_ = loader.linear(prefix + "attn_q_a", width, plan.q_rank);
    block.q_a_norm_ = loader.vector(prefix + "attn_q_a_norm.weight", plan.q_rank);
  }
  const std::string q = prefix + (has_q_rank ? "attn_q_b" : "attn_q");
  const uint64_t q_cols = has_q_rank ? plan.q_rank : width, q_dim = nope + n_rot;
  const std::array q_nope{Rows{0, nope, q_dim, heads}}, q_rotated{Rows{nope, n_rot, q_dim, heads}};
  block.q_nope_ = loader.picked(q, q_cols, heads * q_dim, q_nope);
  block.q_rotated_ = loader.picked(q, q_cols, heads * q_dim, q_rotated);

  const std::string kv_a = prefix + "attn_kv_a_mqa";
  block.latent_ = loader.part(kv_a, width, latent + n_rot, 0, latent);
  block.k_rotated_ = loader.part(kv_a, width, latent + n_rot, latent, n_rot);
  block.latent_norm_ = loader.vector(prefix + "attn_kv_a_norm.weight", latent);
  if (plan.is_absorbed) {
    block.k_up_stack_ = loader.stack(prefix + "attn_k_b.weight", nope, latent, heads);
    block.v_up_stack_ = loader.stack(prefix + "attn_v_b.weight", latent, v, heads);
  } else {
    const std::string up = prefix + "attn_kv_b";
    const std::array k_rows{Rows{0, nope, nope + v, heads}}, v_rows{Rows{nope, v, nope + v, heads}};
    block.k_up_ = loader.picked(up, latent, heads * (nope + v), k_rows);
    block.v_up_ = loader.picked(up, latent, heads * (nope + v), v_rows);
  }
  block.o_ = loader.linear(prefix + "attn_output", heads * v, width);
  return block;
}

void MlaBlock::project_queries(Pass& pass, float* nope, float* rotated) const {
  Backend& backend = pass.backend;
  const float* x = pass.h;
  if (plan_.q_rank > 0) {
    float* low = pass.take(plan_.q_rank);
    backend.multiply(std::array{q_a_.into(low)}, x, pass.n);
    backend.normalize(NormKind::rms, low, q_a_norm_.data(), nullptr, plan_.norm_eps, plan_.q_rank,
                      pass.n, low);
    x = low;
  }
  const std::array<Backend::Product, 2> products{{q_nope_.into(nope), q_rotated_.into(rotated)}};
  backend.multiply(products, x, pass.n);
}

void MlaBlock::run(Pass& pass) const {
  Backend& backend = pass.backend;
  const size_t heads = plan_.n_heads, n_rot = plan_.rope.n_rot, latent_dim = plan_.latent_dim;
  const float* const cos_sin = pass.cos_sin[rope_];
  AttentionShape shape = shape_of(plan_);
  shape.element = pass.cache.shape().element;
  float* q = pass.take(heads * shape.k_dim);
  float* k = pass.take(shape.n_kv_heads * shape.k_dim);
  float* q_nope = pass.take(nope_width(plan_));
  float* q_rotated = pass.take(rotated_width(plan_));
  float* latent = pass.take(latent_dim);
  float* k_rotated = pass.take(n_rot);
  float* context = pass.take(heads * shape.v_dim);
  // Keys or queries of all heads before they are joined, then values.
  float* projected = pass.take(heads * std::max<uint64_t>(shape.k_dim - n_rot, plan_.v_dim));

  project_queries(pass, q_nope, q_rotated);
  const std::array<Backend::Product, 2> products{
      {latent_.into(latent), k_rotated_.into(k_rotated)}};
  backend.multiply(products, pass.h, pass.n);
  backend.normalize(NormKind::rms, latent, latent_norm_.data(), nullptr, plan_.norm_eps, latent_dim,
                    pass.n, latent);
  backend.rope(plan_.rope.kind, q_rotated, heads, n_rot, n_rot, cos_sin, pass.n);
  backend.rope(plan_.rope.kind, k_rotated, 1, n_rot, n_rot, cos_sin, pass.n);

  const float* v = latent;
  if (plan_.is_absorbed) {
    backend.multiply_stack(k_up_stack_, q_nope, pass.n, projected);
    backend.join(projected, latent_dim, q_rotated, n_rot, pass.n * heads, q);
    backend.join(latent, latent_dim, k_rotated, n_rot, pass.n, k);
  } else {
    float* values = pass.take(value_width(plan_));
    const std::array<Backend::Product, 2> up{{k_up_.into(projected), v_up_.into(values)}};
    backend.multiply(up, latent, pass.n);
    backend.join(q_nope, plan_.nope_dim, q_rotated, n_rot, pass.n * heads, q);
    float* every_head = q_rotated;  // done with
    for (size_t t = 0; t < pass.n; ++t)
      for (size_t h = 0; h < heads; ++h)
        backend.copy(k_rotated + t * n_rot, n_rot, every_head + (t * heads + h) * n_rot);
    backend.join(projected, plan_.nope_dim, every_head, n_rot, pass.n * heads, k);
    v = values;
  }

  point_at_layer(pass, pass.layer);
  backend.store_kv(shape, std::span(pass.rows).first(pass.n), k, v);
  if (pass.is_last_layer) keep_wanted_rows(pass, {{q, heads * shape.k_dim}});
  if (pass.n == 0) return;
  backend.attend(shape, std::span(pass.rows).first(pass.n), q, context);
  if (plan_.is_absorbed) backend.multiply_stack(v_up_stack_, context, pass.n, projected);
  backend.multiply(std::array{o_.into(pass.h)}, plan_.is_absorbed ? projected : context, pass.n);
}

uint64_t MlaBlock::floats_per_row(const ModelPlan&, const Mla& plan) {
  const AttentionShape shape = shape_of(plan);
  const uint64_t heads = plan.n_heads, latent = plan.latent_dim, n_rot = plan.rope.n_rot;
  const uint64_t projected = heads * std::max<uint64_t>(shape.k_dim - n_rot, plan.v_dim);
  return (heads + shape.n_kv_heads) * uint64_t{shape.k_dim} + nope_width(plan) +
         rotated_width(plan) + latent + n_rot + heads * shape.v_dim + projected + plan.q_rank +
         (plan.is_absorbed ? 0 : value_width(plan));
}

KvLayer MlaBlock::kv_layer(const Mla& plan) {
  const AttentionShape shape = shape_of(plan);
  return {.n_kv_heads = shape.n_kv_heads, .k_dim = shape.k_dim, .v_dim = shape.v_dim};
}

}  // namespace hearth
