// Embeddings for each layer (Gemma 3n and 4): beside its embedding a token has a small vector for
// every layer, which the layer mixes into the stream at its end.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

// The vectors of all layers, made once a pass.
class PerLayerInputs {
 public:
  static PerLayerInputs load(Loader& loader, const ModelPlan& model);

  // out: (n, layers, per_layer_width) = (norm(model_proj x / sqrt(width)) + token_embd') / sqrt(2),
  // token_embd' = sqrt(per_layer_width) times the token's rows. `room`: as large as out.
  void run(Backend& backend, std::span<const Token> tokens, const float* x, float* out,
           float* room) const;

  // Of out and room.
  static uint64_t floats_per_row(const ModelPlan& model);

 private:
  uint32_t width_ = 0, n_layers_ = 0;
  float norm_eps_ = 0, projection_scale_ = 0;
  Weight embedding_{};
  Linear projection_{};
  Floats norm_{};
};

// x += post_norm(proj(gelu(inp_gate x) * the layer's vector))
class PerLayerBlock {
 public:
  static PerLayerBlock load(Loader& loader, const ModelPlan& model, const std::string& prefix);
  void run(Pass& pass) const;
  static uint64_t floats_per_row(const ModelPlan& model) { return 2 * model.per_layer_width; }

 private:
  uint32_t width_ = 0;
  size_t n_layers_ = 0;
  float norm_eps_ = 0;
  Linear gate_{}, projection_{};
  Floats norm_{};
};

}  // namespace hearth
