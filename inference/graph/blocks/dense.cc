#include "graph/blocks/dense.h"

#include <fmt/format.h>

#include <array>

namespace hearth {

DenseBlock DenseBlock::load(Loader& loader, const ModelPlan& model, const Dense& plan,
                            const std::string& prefix) {
  DenseBlock block;
  block.plan_ = plan;
  const auto name = [&](const char* role) {
    return fmt::format("{}{}{}", prefix, role, plan.suffix);
  };
  const uint64_t width = plan.width;
  if (plan.gate == Dense::Gate::first_half_of_up) {
    block.gate_ = loader.part(name("ffn_up"), model.width, 2 * width, 0, width);
    block.up_ = loader.part(name("ffn_up"), model.width, 2 * width, width, width);
  } else {
    block.up_ = loader.linear(name("ffn_up"), model.width, width);
  }
  if (plan.gate == Dense::Gate::separate)
    block.gate_ = loader.linear(name("ffn_gate"), model.width, width);
  block.down_ = loader.linear(name("ffn_down"), width, model.width);
  return block;
}

void DenseBlock::run(Pass& pass, const float* in, float* out) const {
  if (pass.n == 0) return;
  Backend& backend = pass.backend;
  float* up = pass.take(plan_.width);
  if (plan_.gate == Dense::Gate::none) {
    backend.multiply(std::array{up_.into(up)}, in, pass.n);
    if (plan_.xielu)
      backend.xielu(*plan_.xielu, up, pass.n * plan_.width);
    else
      backend.activate(plan_.activation, up, nullptr, pass.n * plan_.width, up);
    backend.multiply(std::array{down_.into(out)}, up, pass.n);
    return;
  }
  float* gate = pass.take(plan_.width);
  backend.multiply(std::array{gate_.into(gate), up_.into(up)}, in, pass.n);
  backend.activate(plan_.activation, gate, up, pass.n * plan_.width, gate);
  backend.multiply(std::array{down_.into(out)}, gate, pass.n);
}

uint64_t DenseBlock::floats_per_row(const ModelPlan&, const Dense& plan) {
  return (plan.gate == Dense::Gate::none ? 1 : 2) * uint64_t{plan.width};
}

}  // namespace hearth
