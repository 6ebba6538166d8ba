// Tensors: attn_qkv and attn_gate (z), or in older files ssm_in, whose rows are q, k, v, z of each
// key head in turn; ssm_beta and ssm_alpha, or ssm_ba, whose rows are beta, alpha of each key head
// in turn; ssm_conv1d, ssm_a, ssm_dt.bias, ssm_norm, ssm_out.
#include "graph/blocks/delta_net.h"

#include <array>

#include "graph/blocks/state.h"

namespace hearth {
namespace {

using Need = Loader::Need;

uint64_t key_width(const DeltaNet& plan) { return uint64_t{plan.n_k_heads} * plan.dim; }
uint64_t value_width(const DeltaNet& plan) { return uint64_t{plan.n_v_heads} * plan.dim; }
uint64_t qkv_width(const DeltaNet& plan) { return 2 * key_width(plan) + value_width(plan); }

Convolution convolution_of(const DeltaNet& plan, const Floats& weight) {
  return {.channels = static_cast<uint32_t>(qkv_width(plan)),
          .kernel = plan.kernel,
          .has_silu = true,
          .weight = weight.data()};
}

DeltaRule rule_of(const DeltaNet& plan, const Floats& decay, const Floats& alpha_bias) {
  return {.n_k_heads = plan.n_k_heads,
          .n_v_heads = plan.n_v_heads,
          .dim = plan.dim,
          .is_tiled = plan.is_tiled,
          .decay = decay.data(),
          .alpha_bias = alpha_bias.data()};
}

uint64_t state_floats(const DeltaNet& plan) {
  return convolution_of(plan, {}).state_floats() + rule_of(plan, {}, {}).state_floats();
}

}  // namespace

DeltaNetBlock DeltaNetBlock::load(Loader& loader, const ModelPlan& model, const DeltaNet& plan,
                                  const std::string& prefix) {
  using Rows = Loader::RowPattern;
  DeltaNetBlock block;
  block.plan_ = plan;
  block.norm_eps_ = model.norm_eps;
  const uint64_t width = model.width, heads = plan.n_v_heads, values = value_width(plan);
  const uint64_t groups = plan.n_k_heads, ratio = heads / groups, dim = plan.dim;
  if (plan.is_joined) {
    const uint64_t step = 2 * dim * (1 + ratio), all = qkv_width(plan) + values;
    const std::array qkv{Rows{0, dim, step, groups}, Rows{dim, dim, step, groups},
                         Rows{2 * dim, ratio * dim, step, groups}};
    const std::array z{Rows{(2 + ratio) * dim, ratio * dim, step, groups}};
    block.qkv_ = loader.picked(prefix + "ssm_in", width, all, qkv);
    block.z_ = loader.picked(prefix + "ssm_in", width, all, z);
  } else {
    block.qkv_ = loader.linear(prefix + "attn_qkv", width, qkv_width(plan));
    block.z_ = loader.linear(prefix + "attn_gate", width, values);
  }
  if (plan.has_joined_gates) {
    const std::array beta{Rows{0, ratio, 2 * ratio, groups}};
    const std::array alpha{Rows{ratio, ratio, 2 * ratio, groups}};
    block.beta_ = loader.picked(prefix + "ssm_ba", width, 2 * heads, beta);
    block.alpha_ = loader.picked(prefix + "ssm_ba", width, 2 * heads, alpha);
  } else {
    block.beta_ = loader.linear(prefix + "ssm_beta", width, heads);
    block.alpha_ = loader.linear(prefix + "ssm_alpha", width, heads);
  }
  block.conv_ = loader.transposed(prefix + "ssm_conv1d.weight", plan.kernel, qkv_width(plan));
  block.decay_ = loader.vector(prefix + "ssm_a", heads);
  block.alpha_bias_ = loader.vector(prefix + "ssm_dt.bias", heads);
  block.norm_ = loader.vector(prefix + "ssm_norm.weight", plan.dim);
  block.out_ = loader.linear(prefix + "ssm_out", values, width);
  return block;
}

void DeltaNetBlock::run(Pass& pass) const {
  Backend& backend = pass.backend;
  const uint64_t values = value_width(plan_), heads = plan_.n_v_heads;
  float* qkv = pass.take(qkv_width(plan_));
  float* mixed = pass.take(qkv_width(plan_));
  float* z = pass.take(values);
  float* beta = pass.take(heads);
  float* alpha = pass.take(heads);
  float* out = pass.take(values);

  const std::array<Backend::Product, 4> products{
      {qkv_.into(qkv), z_.into(z), beta_.into(beta), alpha_.into(alpha)}};
  backend.multiply(products, pass.h, pass.n);

  const Convolution convolution = convolution_of(plan_, conv_);
  const auto segments = state_segments(pass, state_floats(plan_));
  backend.convolve(convolution, segments, 0, qkv, mixed);
  backend.delta_rule(rule_of(plan_, decay_, alpha_bias_), segments, convolution.state_floats(),
                     mixed, alpha, beta, out);
  backend.normalize(NormKind::rms, out, norm_.data(), nullptr, norm_eps_, plan_.dim, pass.n * heads,
                    out);
  backend.activate(Activation::silu, z, out, pass.n * values, out);
  backend.multiply(std::array{out_.into(pass.h)}, out, pass.n);
  if (pass.is_last_layer) keep_wanted_rows(pass, {{pass.h, pass.width}});
}

uint64_t DeltaNetBlock::floats_per_row(const ModelPlan&, const DeltaNet& plan) {
  return 2 * qkv_width(plan) + 2 * value_width(plan) + 2 * uint64_t{plan.n_v_heads};
}

KvLayer DeltaNetBlock::kv_layer(const DeltaNet& plan) {
  return {.window = kStateWindow, .state_bytes = state_bytes(state_floats(plan))};
}

}  // namespace hearth
