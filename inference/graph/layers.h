// A plan with its weights: what the forward pass walks over.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "graph/blocks/attention.h"
#include "graph/blocks/delta_net.h"
#include "graph/blocks/dense.h"
#include "graph/blocks/dense_beside_moe.h"
#include "graph/blocks/encoder_inputs.h"
#include "graph/blocks/mla.h"
#include "graph/blocks/moe.h"
#include "graph/blocks/per_layer.h"
#include "graph/blocks/short_conv.h"
#include "graph/loader.h"
#include "graph/rope.h"

namespace hearth {

struct NormWeights {
  Floats weight{}, bias{};  // empty weight: no norm here
};

struct Layer {
  NormWeights before_mixer{}, after_mixer{}, sum_of_mixer{};
  NormWeights before_ffn{}, after_ffn{}, sum_of_ffn{};
  NormKind norm_kind = NormKind::rms;
  std::variant<AttentionBlock, MlaBlock, DeltaNetBlock, ShortConvBlock> mixer{};
  std::variant<DenseBlock, MoeBlock, DenseBesideMoeBlock> ffn{};
  std::optional<PerLayerBlock> per_layer{};
  float output_scale = 1;
};

struct Layers {
  Weight embedding{};  // (n_vocab, width)
  std::optional<PerLayerInputs> per_layer{};
  std::optional<EncoderInputs> encoder{};
  std::vector<Layer> layers{};
  NormWeights output_norm{};
  Weight output{};  // (n_vocab, width); the same tensor when tied; null: the model has no logits
  std::vector<RopeAngles> ropes{};    // the different ones of the plan
  std::vector<std::string> unused{};  // tensors that the plan does not know: noted, not fatal
};

Result<Layers> load_layers(const gguf::File& file, const ModelPlan& plan, Backend& backend);

// Of the block that takes most.
uint64_t floats_per_row(const ModelPlan& plan);
// The different ropes of a plan, in order of their first layer.
std::vector<Rope> ropes_of(const ModelPlan& plan);

}  // namespace hearth
