#include "graph/blocks/dense_beside_moe.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace hearth {
namespace {

using Need = Loader::Need;

// The router's input is r / rms(r), divided by sqrt(width) and scaled: a norm with these weights.
Floats load_router_norm(Loader& loader, uint32_t width, const std::string& prefix) {
  std::vector<float> scale =
      loader.host_vector(prefix + "ffn_gate_inp.scale", width, Need::required);
  for (float& each : scale) each /= std::sqrt(static_cast<float>(width));
  return loader.upload(scale);
}

}  // namespace

DenseBesideMoeBlock DenseBesideMoeBlock::load(Loader& loader, const ModelPlan& model,
                                              const DenseBesideMoe& plan,
                                              const std::string& prefix) {
  DenseBesideMoeBlock block;
  block.plan_ = plan;
  block.norm_eps_ = model.norm_eps;
  block.dense_ = DenseBlock::load(loader, model, plan.dense, prefix);
  const uint32_t n = plan.moe.router.n_experts;
  const uint64_t width = model.width, inner = plan.moe.width;
  block.router_ = loader.linear(prefix + "ffn_gate_inp", width, n);
  block.router_norm_ = load_router_norm(loader, model.width, prefix);
  const auto norm = [&](const char* name) {
    return loader.vector(prefix + name + ".weight", width);
  };
  block.before_experts_ = norm("pre_ffw_norm_2");
  block.after_dense_ = norm("post_ffw_norm_1");
  block.after_experts_ = norm("post_ffw_norm_2");

  const auto stack = [&](const char* name, uint64_t first_row) {
    if (!plan.has_joined_gate) return loader.stack(prefix + name + ".weight", width, inner, n);
    return loader.stack_part(prefix + "ffn_gate_up_exps.weight", width, 2 * inner, first_row, inner,
                             n);
  };
  block.experts_ = {.router = plan.moe.router,
                    .choice_bias = nullptr,
                    .gate = stack("ffn_gate_exps", 0),
                    .up = stack("ffn_up_exps", inner),
                    .down = loader.stack(prefix + "ffn_down_exps.weight", inner, width, n),
                    .gate_bias = {},
                    .up_bias = {},
                    .down_bias = {},
                    .activation = plan.moe.activation};
  return block;
}

void DenseBesideMoeBlock::run(Pass& pass) const {
  if (pass.n == 0) return;
  Backend& backend = pass.backend;
  const auto normalize = [&](const float* x, const Floats& weight, float* out) {
    backend.normalize(NormKind::rms, x, weight.data(), nullptr, norm_eps_, pass.width, pass.n, out);
  };
  float* dense = pass.take(pass.width);
  float* const scratch = pass.scratch;  // the experts take what the dense part is done with
  dense_.run(pass, pass.h, dense);
  normalize(dense, after_dense_, dense);
  pass.scratch = scratch;

  const uint64_t n_used = plan_.moe.router.n_used;
  float* logits = pass.take(plan_.moe.router.n_experts);
  const Backend::ExpertsWorkspace ws{.gate = pass.take(n_used * plan_.moe.width),
                                     .up = pass.take(n_used * plan_.moe.width),
                                     .down = pass.take(n_used * pass.width)};
  normalize(pass.x, router_norm_, pass.h);
  backend.multiply(std::array{router_.into(logits)}, pass.h, pass.n);
  normalize(pass.x, before_experts_, pass.h);
  backend.run_experts(experts_, logits, pass.h, pass.n, ws, pass.h);
  normalize(pass.h, after_experts_, pass.h);
  backend.add(pass.h, dense, 1, pass.n * pass.width);
}

uint64_t DenseBesideMoeBlock::floats_per_row(const ModelPlan& model, const DenseBesideMoe& plan) {
  const Router& router = plan.moe.router;
  const uint64_t experts =
      router.n_experts + router.n_used * (2 * uint64_t{plan.moe.width} + model.width);
  return model.width + std::max(experts, DenseBlock::floats_per_row(model, plan.dense));
}

}  // namespace hearth
