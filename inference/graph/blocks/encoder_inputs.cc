#include "graph/blocks/encoder_inputs.h"

namespace hearth {

EncoderInputs EncoderInputs::load(Loader& loader, const ModelPlan& model) {
  EncoderInputs inputs;
  inputs.width_ = model.width;
  inputs.norm_eps_ = model.norm_eps;
  inputs.positions_ = loader.table("position_embd.weight", model.width, model.n_positions);
  if (model.n_segments > 0)
    inputs.segments_ = loader.table("token_types.weight", model.width, model.n_segments);
  inputs.norm_ = loader.vector("token_embd_norm.weight", model.width);
  inputs.norm_bias_ = loader.vector("token_embd_norm.bias", model.width);
  return inputs;
}

void EncoderInputs::run(Backend& backend, std::span<const BatchRow> rows, float* x,
                        float* room) const {
  const size_t n = rows.size();
  std::vector<Token> at;
  for (const BatchRow& row : rows) at.push_back(static_cast<Token>(row.position));
  backend.embed(positions_, at, 1, room);
  backend.add(x, room, 1, n * width_);
  if (segments_) {
    backend.embed(segments_, std::vector<Token>(n, 0), 1, room);
    backend.add(x, room, 1, n * width_);
  }
  backend.normalize(NormKind::layer, x, norm_.data(), norm_bias_.data(), norm_eps_, width_, n, x);
}

}  // namespace hearth
