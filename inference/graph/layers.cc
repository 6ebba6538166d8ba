#include "graph/layers.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth {
namespace {

using Need = Loader::Need;

template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};

// Blocks of a plan's alternatives; adding one is a line in each of the three.
auto load_mixer(Loader& loader, const ModelPlan& plan, const Mixer& mixer,
                const std::string& prefix, const std::vector<Rope>& ropes) {
  using Block = decltype(Layer::mixer);
  const auto rope_of = [&](const Rope& rope) {
    return static_cast<size_t>(std::ranges::find(ropes, rope) - ropes.begin());
  };
  return std::visit(
      overloaded{[&](const Attention& each) -> Block {
                   return AttentionBlock::load(loader, plan, each, prefix, rope_of(each.rope));
                 },
                 [&](const Mla& each) -> Block {
                   return MlaBlock::load(loader, plan, each, prefix, rope_of(each.rope));
                 },
                 [&](const DeltaNet& each) -> Block {
                   return DeltaNetBlock::load(loader, plan, each, prefix);
                 },
                 [&](const ShortConv& each) -> Block {
                   return ShortConvBlock::load(loader, plan, each, prefix);
                 }},
      mixer);
}

auto load_ffn(Loader& loader, const ModelPlan& plan, const FeedForward& ffn,
              const std::string& prefix) {
  return std::visit(overloaded{[&](const Dense& dense) -> decltype(Layer::ffn) {
                                 return DenseBlock::load(loader, plan, dense, prefix);
                               },
                               [&](const Moe& moe) -> decltype(Layer::ffn) {
                                 return MoeBlock::load(loader, plan, moe, prefix);
                               },
                               [&](const DenseBesideMoe& both) -> decltype(Layer::ffn) {
                                 return DenseBesideMoeBlock::load(loader, plan, both, prefix);
                               }},
                    ffn);
}

uint64_t floats_per_row(const ModelPlan& plan, const LayerPlan& layer) {
  const uint64_t mixer = std::visit(
      overloaded{[&](const Attention& each) { return AttentionBlock::floats_per_row(plan, each); },
                 [&](const Mla& each) { return MlaBlock::floats_per_row(plan, each); },
                 [&](const DeltaNet& each) { return DeltaNetBlock::floats_per_row(plan, each); },
                 [&](const ShortConv& each) { return ShortConvBlock::floats_per_row(plan, each); }},
      layer.mixer);
  const uint64_t ffn = std::visit(
      overloaded{[&](const Dense& each) { return DenseBlock::floats_per_row(plan, each); },
                 [&](const Moe& each) { return MoeBlock::floats_per_row(plan, each); },
                 [&](const DenseBesideMoe& each) {
                   return DenseBesideMoeBlock::floats_per_row(plan, each);
                 }},
      layer.ffn);
  return std::max({mixer, ffn, PerLayerBlock::floats_per_row(plan)});
}

NormWeights load_norm(Loader& loader, NormKind kind, uint32_t width, const std::string& prefix,
                      std::string_view name) {
  if (name.empty()) return {};
  NormWeights norm{.weight = loader.vector(fmt::format("{}{}.weight", prefix, name), width)};
  if (kind == NormKind::layer)
    norm.bias = loader.vector(fmt::format("{}{}.bias", prefix, name), width, Need::optional);
  return norm;
}

Layer load_layer(Loader& loader, const ModelPlan& plan, size_t index,
                 const std::vector<Rope>& ropes) {
  const LayerPlan& layer = plan.layers[index];
  const std::string prefix = fmt::format("blk.{}.", index);
  const auto norm = [&](std::string_view name) {
    return load_norm(loader, layer.norms.kind, plan.width, prefix, name);
  };
  std::optional<PerLayerBlock> per_layer;
  if (plan.per_layer_width > 0) per_layer = PerLayerBlock::load(loader, plan, prefix);
  const std::vector<float> scale =
      layer.has_output_scale
          ? loader.host_vector(prefix + "layer_output_scale.weight", 1, Need::optional)
          : std::vector<float>{};
  return {.before_mixer = norm(layer.norms.before_mixer),
          .after_mixer = norm(layer.norms.after_mixer),
          .sum_of_mixer = norm(layer.norms.sum_of_mixer),
          .before_ffn = norm(layer.norms.before_ffn),
          .after_ffn = norm(layer.norms.after_ffn),
          .sum_of_ffn = norm(layer.norms.sum_of_ffn),
          .norm_kind = layer.norms.kind,
          .mixer = load_mixer(loader, plan, layer.mixer, prefix, ropes),
          .ffn = load_ffn(loader, plan, layer.ffn, prefix),
          .per_layer = per_layer,
          .output_scale = scale.empty() ? 1 : scale[0]};
}

RopeAngles load_angles(Loader& loader, const Rope& rope) {
  if (rope.factors.empty()) return {rope, {}};
  const auto factors =
      loader.host_vector(std::string(rope.factors), rope.n_rot / 2, Need::optional);
  for (size_t i = 0; i < factors.size(); ++i)
    if (!(factors[i] > 0))
      loader.fail(Errc::corrupt, rope.factors,
                  fmt::format("has {} at {}, expected > 0", factors[i], i));
  return {rope, factors};
}

}  // namespace

Result<Layers> load_layers(const gguf::File& file, const ModelPlan& plan, Backend& backend) {
  Loader loader(file, backend);
  Layers model;
  model.embedding = loader.table("token_embd.weight", plan.width, plan.n_vocab);
  if (plan.has_output) {
    model.output = loader.matrix("output.weight", plan.width, plan.n_vocab, Need::optional);
    if (!model.output) model.output = loader.matrix("token_embd.weight", plan.width, plan.n_vocab);
  }
  if (plan.n_positions > 0) model.encoder = EncoderInputs::load(loader, plan);
  model.output_norm = load_norm(loader, plan.output_norm, plan.width, "", plan.output_norm_name);
  if (plan.per_layer_width > 0) model.per_layer = PerLayerInputs::load(loader, plan);
  const std::vector<Rope> ropes = ropes_of(plan);
  for (const Rope& rope : ropes) model.ropes.push_back(load_angles(loader, rope));
  for (size_t i = 0; i < plan.layers.size() && !loader.error(); ++i) {
    model.layers.push_back(load_layer(loader, plan, i, ropes));
    file.forget_pages();  // what the backend repacked would take memory twice
  }
  model.unused = loader.unused();
  if (loader.error()) return *loader.error();
  return model;
}

uint64_t floats_per_row(const ModelPlan& plan) {
  uint64_t most = 0;
  for (const LayerPlan& layer : plan.layers) most = std::max(most, floats_per_row(plan, layer));
  return most;
}

std::vector<Rope> ropes_of(const ModelPlan& plan) {
  std::vector<Rope> ropes;
  const auto add = [&](const Rope& rope) {
    if (std::ranges::find(ropes, rope) == ropes.end()) ropes.push_back(rope);
  };
  for (const LayerPlan& layer : plan.layers) {
    if (const auto* attention = std::get_if<Attention>(&layer.mixer)) add(attention->rope);
    if (const auto* mla = std::get_if<Mla>(&layer.mixer)) add(mla->rope);
  }
  return ropes;
}

KvShape kv_shape(const ModelPlan& plan, KvElement element) {
  KvShape shape{.layers = {}, .element = element};
  for (const LayerPlan& layer : plan.layers)
    shape.layers.push_back(std::visit(
        overloaded{[](const Attention& each) { return AttentionBlock::kv_layer(each); },
                   [](const Mla& each) { return MlaBlock::kv_layer(each); },
                   [](const DeltaNet& each) { return DeltaNetBlock::kv_layer(each); },
                   [&](const ShortConv& each) { return ShortConvBlock::kv_layer(plan, each); }},
        layer.mixer));
  return shape;
}

}  // namespace hearth
