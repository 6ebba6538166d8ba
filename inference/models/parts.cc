#include "models/parts.h"

#include <fmt/format.h>

#include <cmath>

namespace hearth {
namespace {

uint32_t vocabulary_of(Metadata& m, uint32_t width) {
  const gguf::Tensor* embedding = m.file().find_tensor("token_embd.weight");
  if (!embedding) {
    m.fail_tensor("token_embd.weight",
                  fmt::format("is missing, expected {{{}, vocabulary size}}", width));
    return 1;
  }
  const uint64_t rows = embedding->dims[1];
  // Rows past the tokenizer's are padding; fewer would leave tokens without an embedding.
  const gguf::Value* tokens = m.file().find("tokenizer.ggml.tokens");
  if (rows == 0 || rows > Metadata::kMaxVocabulary)
    m.fail_tensor("token_embd.weight",
                  fmt::format("has {} rows, expected 1 to {}", rows, Metadata::kMaxVocabulary));
  else if (tokens && tokens->size() > rows)
    m.fail_tensor("token_embd.weight",
                  fmt::format("has {} rows, expected at least the tokenizer's {} tokens", rows,
                              tokens->size()));
  return m.error() ? 1 : static_cast<uint32_t>(rows);
}

float norm_eps_of(Metadata& m) {
  const char* key = m.has("attention.layer_norm_epsilon") ? "attention.layer_norm_epsilon"
                                                          : "attention.layer_norm_rms_epsilon";
  if (!m.has(key)) m.fail(Errc::corrupt, key, "is missing, expected a number");
  const float eps = m.number_or(key, 0);
  if (!(eps >= 0 && eps < 1))
    m.fail(Errc::corrupt, key, fmt::format("is {}, expected 0 to 1", eps));
  return eps;
}

Pooling pooling_of(Metadata& m) {
  switch (m.count_or("pooling_type", 0, 255)) {
    case 1: return Pooling::mean;
    case 2: return Pooling::first;
    case 3: return Pooling::last;
    default: return Pooling::none;
  }
}

// What cos and sin are multiplied by under yarn. Without further keys 1 + 0.1 ln(factor); the
// converter writes the config's attention_factor, which replaces it, as yarn_attn_factor, and
// mscale_all_dim, which divides by its own term, as yarn_log_multiplier.
float yarn_magnitude(Metadata& m, float factor) {
  const auto mscale = [&](float c) { return factor > 1 ? 1.f + 0.1f * c * std::log(factor) : 1.f; };
  const float all_dims = m.number_or("rope.scaling.yarn_log_multiplier", 0);
  const float net = all_dims != 0 ? mscale(1) / mscale(all_dims) : mscale(1);
  return m.positive_or("rope.scaling.yarn_attn_factor", net) *
         m.positive_or("rope.scaling.attn_factor", 1);
}

void read_scaling(Metadata& m, Rope& rope) {
  // Old files say rope.scale_linear; a factor without a type means linear; 0 means no scaling.
  float factor = m.number_or("rope.scaling.factor", m.number_or("rope.scale_linear", 0));
  if (factor == 0) factor = 1;
  if (!(factor > 0))
    m.fail(Errc::corrupt, "rope.scaling.factor", fmt::format("is {}, expected > 0", factor));
  const std::string_view type = m.string_or("rope.scaling.type", factor == 1 ? "none" : "linear");
  if (type == "none") return;
  rope.factor = factor;
  if (type == "linear") {
    rope.scaling = Rope::Scaling::linear;
  } else if (type == "yarn") {
    rope.scaling = Rope::Scaling::yarn;
    rope.beta_fast = m.positive_or("rope.scaling.yarn_beta_fast", 32);
    rope.beta_slow = m.positive_or("rope.scaling.yarn_beta_slow", 1);
    rope.magnitude = yarn_magnitude(m, factor);
    if (!(rope.base > 1))
      m.fail(Errc::corrupt, "rope.freq_base",
             fmt::format("is {}, expected > 1 with yarn", rope.base));
    if (m.number_or("rope.scaling.yarn_ext_factor", 1) != 1)
      m.fail(Errc::unsupported, "rope.scaling.yarn_ext_factor", "is not 1");
  } else {
    m.fail(Errc::unsupported, "rope.scaling.type",
           fmt::format("is '{}', expected none, linear or yarn", type));
  }
}

Gating gating_of(Metadata& m, Gating fallback) {
  switch (m.count_or("expert_gating_func", 0, 255)) {
    case 0: return fallback;
    case 1: return Gating::softmax;
    case 2: return Gating::sigmoid;
    case 3: return Gating::chosen_softmax;
    default:
      m.fail(Errc::unsupported, "expert_gating_func",
             "is none of softmax (1), sigmoid (2) and softmax over the chosen (3)");
      return fallback;
  }
}

}  // namespace

Rope rope_of(Metadata& m, const ModelPlan& plan, RopeKind kind, uint32_t head_dim) {
  Rope rope{.kind = kind, .factors = "rope_freqs.weight"};
  rope.n_rot = m.size_or("rope.dimension_count", head_dim, Metadata::kMaxHeadDim);
  if (rope.n_rot % 2 != 0 || rope.n_rot > head_dim)
    m.fail(
        Errc::corrupt, "rope.dimension_count",
        fmt::format("is {}, expected an even number up to the head size {}", rope.n_rot, head_dim));
  rope.base = m.positive_or("rope.freq_base", 10000);
  rope.original_context = m.size_or("rope.scaling.original_context_length", plan.n_context_train,
                                    Metadata::kMaxContext);
  read_scaling(m, rope);
  return rope;
}

ModelPlan model_of(Metadata& m) {
  ModelPlan plan;
  plan.architecture = m.file().architecture();
  const uint32_t n_blocks = m.size("block_count", Metadata::kMaxLayers);
  plan.layers.resize(n_blocks - m.count_or("nextn_predict_layers", 0, n_blocks - 1));
  plan.n_context_train = m.size("context_length", Metadata::kMaxContext);
  plan.width = m.size("embedding_length", Metadata::kMaxWidth);
  plan.norm_eps = norm_eps_of(m);
  plan.n_vocab = m.error() ? 1 : vocabulary_of(m, plan.width);
  plan.pooling = pooling_of(m);
  return plan;
}

Attention attention_of(Metadata& m, const ModelPlan& plan, RopeKind kind) {
  Attention attention;
  attention.n_heads = m.size("attention.head_count", Metadata::kMaxHeads);
  attention.n_kv_heads =
      m.size_or("attention.head_count_kv", attention.n_heads, Metadata::kMaxHeads);
  if (attention.n_heads % attention.n_kv_heads != 0)
    m.fail(Errc::corrupt, "attention.head_count_kv",
           fmt::format("is {}, which does not divide head_count {}", attention.n_kv_heads,
                       attention.n_heads));
  if (!m.has("attention.key_length") && plan.width % attention.n_heads != 0)
    m.fail(Errc::corrupt, "attention.head_count",
           fmt::format("is {}, which does not divide embedding_length {}, and there is no "
                       "attention.key_length",
                       attention.n_heads, plan.width));
  const uint32_t head_dim = plan.width / attention.n_heads;
  attention.k_dim = m.size_or("attention.key_length", head_dim, Metadata::kMaxHeadDim);
  attention.v_dim = m.size_or("attention.value_length", head_dim, Metadata::kMaxHeadDim);
  // 0 is written by some converters and means the same as no key.
  attention.scale = m.number_or("attention.scale", 0);
  if (attention.scale == 0) attention.scale = 1.f / std::sqrt(static_cast<float>(attention.k_dim));
  attention.rope = rope_of(m, plan, kind, attention.k_dim);
  return attention;
}

Attention sliding(Metadata& m, const Attention& full, double base) {
  Attention sliding = full;
  sliding.window = m.size("attention.sliding_window", Metadata::kMaxContext);
  sliding.rope = {.kind = full.rope.kind,
                  .n_rot = full.rope.n_rot,
                  .base = m.positive_or("rope.freq_base_swa", base),
                  .original_context = full.rope.original_context};
  return sliding;
}

bool is_recurrent(Metadata& m, size_t layer) {
  const char* marks = "attention.recurrent_layers";
  return m.is_marked(m.has(marks) ? marks : "full_attention_interval", layer, 4);
}

DeltaNet delta_net_of(Metadata& m, const ModelPlan& plan) {
  DeltaNet net;
  net.n_k_heads = m.size("ssm.group_count", Metadata::kMaxHeads);
  net.n_v_heads = m.size("ssm.time_step_rank", Metadata::kMaxHeads);
  net.dim = m.size("ssm.state_size", Metadata::kMaxHeadDim);
  constexpr uint32_t kMaxKernel = 64;
  net.kernel = m.size("ssm.conv_kernel", kMaxKernel);
  if (net.kernel < 2) m.fail(Errc::corrupt, "ssm.conv_kernel", "is 1, expected at least 2");
  if (net.n_v_heads % net.n_k_heads != 0)
    m.fail(Errc::corrupt, "ssm.time_step_rank",
           fmt::format("is {}, which ssm.group_count {} does not divide", net.n_v_heads,
                       net.n_k_heads));
  const uint64_t inner = uint64_t{net.n_v_heads} * net.dim;
  if (m.size_or("ssm.inner_size", inner, Metadata::kMaxFeedForward) != inner && !m.error())
    m.fail(Errc::unsupported, "ssm.inner_size",
           fmt::format("is not time_step_rank * state_size, {}", inner));
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    net.is_joined = net.is_joined || m.has_tensor(fmt::format("blk.{}.ssm_in.weight", i));
    net.has_joined_gates =
        net.has_joined_gates || m.has_tensor(fmt::format("blk.{}.ssm_ba.weight", i));
  }
  return net;
}

Dense dense_of(Metadata& m) {
  return {.width = m.size("feed_forward_length", Metadata::kMaxFeedForward)};
}

Moe moe_of(Metadata& m, Gating gating) {
  Moe moe;
  Router& router = moe.router;
  router.gating = gating_of(m, gating);
  router.n_experts = m.size("expert_count", Metadata::kMaxExperts);
  router.n_used = m.size("expert_used_count", router.n_experts);
  router.n_groups = m.size_or("expert_group_count", 1, router.n_experts);
  router.n_groups_used = m.size_or("expert_group_used_count", router.n_groups, router.n_groups);
  const uint32_t group_size = router.n_experts / router.n_groups;
  if (router.n_experts % router.n_groups != 0)
    m.fail(Errc::corrupt, "expert_group_count",
           fmt::format("is {}, which does not divide expert_count {}", router.n_groups,
                       router.n_experts));
  if (router.n_used > router.n_groups_used * group_size)
    m.fail(Errc::corrupt, "expert_used_count",
           fmt::format("is {}, but the groups used have {} experts", router.n_used,
                       router.n_groups_used * group_size));
  router.normalizes = m.flag_or("expert_weights_norm", false);
  router.scale = m.number_or("expert_weights_scale", 1);
  if (router.scale == 0) router.scale = 1;
  const char* width =
      m.has("expert_feed_forward_length") ? "expert_feed_forward_length" : "feed_forward_length";
  moe.width = m.size(width, Metadata::kMaxFeedForward);
  moe.shared_width =
      m.count_or("expert_shared_feed_forward_length",
                 uint64_t{moe.width} * m.count_or("expert_shared_count", 0, Metadata::kMaxExperts),
                 Metadata::kMaxFeedForward);
  return moe;
}

ModelPlan uniform(ModelPlan plan, const LayerPlan& layer) {
  plan.layers.assign(plan.layers.size(), layer);
  return plan;
}

}  // namespace hearth
