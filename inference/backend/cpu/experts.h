// Mixture of experts on the CPU: choosing, and running the chosen ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/ops.h"

namespace hearth::cpu {

// What the router chose for n tokens, n_used experts each, best first.
struct Choice {
  std::vector<uint32_t> experts;  // (n, n_used)
  std::vector<float> weights;     // (n, n_used)
};

// Router (operands.h). logits: (n, n_experts); bias: (n_experts) or null. A token whose logits are
// not finite still gets n_used different experts, with weights that are not finite.
Choice route(const Machine& machine, const Router& router, const float* logits, const float* bias,
             size_t n);

// Backend::run_experts.
void run_experts(const Machine& machine, const Backend::Experts& experts, const float* logits,
                 const float* x, size_t n, const Backend::ExpertsWorkspace& ws, float* out);

}  // namespace hearth::cpu
