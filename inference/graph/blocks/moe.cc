#include "graph/blocks/moe.h"

#include <algorithm>
#include <array>

namespace hearth {
namespace {

using Need = Loader::Need;

Dense shared_plan(const Moe& plan) {
  return {.width = plan.shared_width, .activation = plan.activation, .suffix = "_shexp"};
}

}  // namespace

MoeBlock MoeBlock::load(Loader& loader, const ModelPlan& model, const Moe& plan,
                        const std::string& prefix) {
  MoeBlock block;
  block.plan_ = plan;
  const uint32_t n = plan.router.n_experts;
  const uint64_t width = model.width, inner = plan.width;
  block.router_ = loader.linear(prefix + "ffn_gate_inp", width, n);
  if (plan.has_choice_bias) block.choice_bias_ = loader.vector(prefix + "exp_probs_b.bias", n);

  const std::string gate = prefix + "ffn_gate_exps", up = prefix + "ffn_up_exps",
                    down = prefix + "ffn_down_exps";
  block.experts_ = {.router = plan.router,
                    .choice_bias = block.choice_bias_.data(),
                    .gate = loader.stack(gate + ".weight", width, inner, n),
                    .up = loader.stack(up + ".weight", width, inner, n),
                    .down = loader.stack(down + ".weight", inner, width, n),
                    .gate_bias = loader.vectors(gate + ".bias", inner, n, Need::optional),
                    .up_bias = loader.vectors(up + ".bias", inner, n, Need::optional),
                    .down_bias = loader.vectors(down + ".bias", width, n, Need::optional),
                    .activation = plan.activation};

  if (plan.shared_width > 0) {
    block.shared_ = DenseBlock::load(loader, model, shared_plan(plan), prefix);
    if (plan.is_shared_gated)
      block.shared_gate_ = loader.linear(prefix + "ffn_gate_inp_shexp", width, 1);
  }
  return block;
}

void MoeBlock::run(Pass& pass) const {
  if (pass.n == 0) return;
  Backend& backend = pass.backend;
  float* shared = pass.take(shared_ ? pass.width : 0);
  float* const scratch = pass.scratch;  // the experts take what the shared one is done with
  if (shared_) {
    shared_->run(pass, pass.h, shared);
    if (plan_.is_shared_gated) {
      float* gate = pass.take(1);
      backend.multiply(std::array{shared_gate_.into(gate)}, pass.h, pass.n);
      backend.gate_rows(shared, gate, pass.width, pass.n);
    }
    pass.scratch = scratch;
  }

  const uint64_t n_used = plan_.router.n_used;
  float* logits = pass.take(plan_.router.n_experts);
  backend.multiply(std::array{router_.into(logits)}, pass.h, pass.n);
  const Backend::ExpertsWorkspace ws{.gate = pass.take(n_used * plan_.width),
                                     .up = pass.take(n_used * plan_.width),
                                     .down = pass.take(n_used * pass.width)};
  backend.run_experts(experts_, logits, pass.h, pass.n, ws, pass.h);
  if (shared_) backend.add(pass.h, shared, 1, pass.n * pass.width);
}

uint64_t MoeBlock::floats_per_row(const ModelPlan& model, const Moe& plan) {
  const uint64_t chosen =
      plan.router.n_experts + plan.router.n_used * (2 * uint64_t{plan.width} + model.width);
  if (plan.shared_width == 0) return chosen;
  const uint64_t shared = DenseBlock::floats_per_row(model, shared_plan(plan)) + 1;
  return model.width + std::max(chosen, shared);
}

}  // namespace hearth
