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
  return std::visit(overloaded{[&](const Attention& attention) -> decltype(Layer::mixer) {
                      const auto rope = std::ranges::find(ropes, attention.rope) - ropes.begin();
                      return AttentionBlock::load(loader, plan, attention, prefix,
                                                  static_cast<size_t>(rope));
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
                               }},
                    ffn);
}

uint64_t floats_per_row(const ModelPlan& plan, const LayerPlan& layer) {
  const uint64_t mixer = std::visit(
      overloaded{[&](const Attention& each) { return AttentionBlock::floats_per_row(plan, each); }},
      layer.mixer);
  const uint64_t ffn = std::visit(
      overloaded{[&](const Dense& each) { return DenseBlock::floats_per_row(plan, each); },
                 [&](const Moe& each) { return MoeBlock::floats_per_row(plan, each); }},
      layer.ffn);
  return std::max(mixer, ffn);
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
  return {.before_mixer = norm(layer.norms.before_mixer),
          .after_mixer = norm(layer.norms.after_mixer),
          .before_ffn = norm(layer.norms.before_ffn),
          .after_ffn = norm(layer.norms.after_ffn),
          .norm_kind = layer.norms.kind,
          .mixer = load_mixer(loader, plan, layer.mixer, prefix, ropes),
          .ffn = load_ffn(loader, plan, layer.ffn, prefix)};
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
  model.output = loader.matrix("output.weight", plan.width, plan.n_vocab, Need::optional);
  if (!model.output) model.output = loader.matrix("token_embd.weight", plan.width, plan.n_vocab);
  model.output_norm = load_norm(loader, plan.output_norm, plan.width, "", "output_norm");
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
  for (const LayerPlan& layer : plan.layers)
    if (const auto* attention = std::get_if<Attention>(&layer.mixer))
      if (std::ranges::find(ropes, attention->rope) == ropes.end())
        ropes.push_back(attention->rope);
  return ropes;
}

KvShape kv_shape(const ModelPlan& plan, KvElement element) {
  KvShape shape{.layers = {}, .element = element};
  for (const LayerPlan& layer : plan.layers)
    shape.layers.push_back(std::visit(
        overloaded{[](const Attention& attention) { return AttentionBlock::kv_layer(attention); }},
        layer.mixer));
  return shape;
}

}  // namespace hearth
