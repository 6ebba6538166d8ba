#include "graph/blocks/per_layer.h"

#include <array>
#include <cmath>

namespace hearth {

PerLayerInputs PerLayerInputs::load(Loader& loader, const ModelPlan& model) {
  PerLayerInputs inputs;
  inputs.width_ = model.per_layer_width;
  inputs.n_layers_ = static_cast<uint32_t>(model.layers.size());
  inputs.norm_eps_ = model.norm_eps;
  inputs.projection_scale_ = 1 / std::sqrt(static_cast<float>(model.width));
  const uint64_t all = uint64_t{inputs.width_} * inputs.n_layers_;
  inputs.embedding_ = loader.table("per_layer_token_embd.weight", all, model.n_vocab);
  inputs.projection_ = loader.linear("per_layer_model_proj", model.width, all);
  inputs.norm_ = loader.vector("per_layer_proj_norm.weight", inputs.width_);
  return inputs;
}

void PerLayerInputs::run(Backend& backend, std::span<const Token> tokens, const float* x,
                         float* out, float* room) const {
  const size_t n = tokens.size(), all = size_t{width_} * n_layers_;
  backend.multiply(std::array{projection_.into(out)}, x, n);
  backend.finish_logits(out, projection_scale_, 0, n * all);
  backend.normalize(NormKind::rms, out, norm_.data(), nullptr, norm_eps_, width_, n * n_layers_,
                    out);
  backend.embed(embedding_, tokens, std::sqrt(static_cast<float>(width_)), room);
  backend.add(out, room, 1, n * all);
  backend.finish_logits(out, 1 / std::sqrt(2.f), 0, n * all);
}

uint64_t PerLayerInputs::floats_per_row(const ModelPlan& model) {
  return 2 * uint64_t{model.per_layer_width} * model.layers.size();
}

PerLayerBlock PerLayerBlock::load(Loader& loader, const ModelPlan& model,
                                  const std::string& prefix) {
  PerLayerBlock block;
  block.width_ = model.per_layer_width;
  block.n_layers_ = model.layers.size();
  block.norm_eps_ = model.norm_eps;
  block.gate_ = loader.linear(prefix + "inp_gate", model.width, model.per_layer_width);
  block.projection_ = loader.linear(prefix + "proj", model.per_layer_width, model.width);
  block.norm_ = loader.vector(prefix + "post_norm.weight", model.width);
  return block;
}

void PerLayerBlock::run(Pass& pass) const {
  if (pass.n == 0) return;
  Backend& backend = pass.backend;
  float* gate = pass.take(width_);
  float* own = pass.take(width_);
  for (size_t i = 0; i < pass.n; ++i)
    backend.copy(pass.per_layer + (i * n_layers_ + pass.layer) * width_, width_, own + i * width_);
  backend.multiply(std::array{gate_.into(gate)}, pass.x, pass.n);
  backend.activate(Activation::gelu, gate, own, pass.n * width_, gate);
  backend.multiply(std::array{projection_.into(pass.h)}, gate, pass.n);
  backend.normalize(NormKind::rms, pass.h, norm_.data(), nullptr, norm_eps_, pass.width, pass.n,
                    pass.h);
  backend.add(pass.x, pass.h, 1, pass.n * pass.width);
}

}  // namespace hearth
