// Which tensor gets which type.
//
// Problem: tensors differ in how much their rounding hurts. Idea: values and down projections get
// more bits in the layers where it matters most (the first and last eighth, and every third
// between), the output matrix (or a tied embedding) always; small tensors stay as they are. A row
// that is no multiple of a format's block takes the nearest format with smaller blocks. These are
// the rules of llama.cpp's quantizer, restated, so that a name means the same everywhere; the one
// addition is MXFP4 for a model without experts, where all matrices get it but the embedding and
// the output.
#include "gguf/mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>

namespace hearth::gguf {

namespace {

constexpr Mix kMixes[] = {
    {"F32", 0, Type::f32, false},     {"F16", 1, Type::f16, false},
    {"BF16", 32, Type::bf16, false},  {"Q8_0", 7, Type::q8_0, false},
    {"Q4_0", 2, Type::q4_0, false},   {"Q4_1", 3, Type::q4_1, false},
    {"Q5_0", 8, Type::q5_0, false},   {"Q5_1", 9, Type::q5_1, false},
    {"Q4_K_M", 15, Type::q4_k, true}, {"Q5_K_M", 17, Type::q5_k, true},
    {"Q6_K", 18, Type::q6_k, false},  {"MXFP4", 38, Type::mxfp4, false},
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Only matrices and stacks of them, and of these not the small ones that decide or shift.
bool is_quantized(const TensorInfo& tensor) {
  static constexpr std::string_view kKept[] = {"_norm.weight",
                                               "ffn_gate_inp",
                                               "ffn_gate_tid2eid",
                                               "per_layer_model_proj",
                                               "position_embd.weight",
                                               "token_types",
                                               "ssm_conv1d",
                                               "shortconv.conv",
                                               "altup",
                                               "laurel",
                                               "attn_rel_b",
                                               "indexer.k_proj",
                                               "indexer.q_proj"};
  return tensor.n_dims >= 2 && tensor.name.ends_with("weight") &&
         std::ranges::none_of(kKept, [&](auto part) { return contains(tensor.name, part); });
}

// "blk.N.": N; -1 for a tensor of the whole model.
int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int layer = -1;
  if (name.starts_with(kPrefix))
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

bool gets_more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

class Chooser {
 public:
  Chooser(const Mix& mix, const ModelFacts& facts, std::span<const TensorInfo> tensors)
      : mix_(mix), facts_(facts) {
    for (const TensorInfo& tensor : tensors) {
      is_tied_ = is_tied_ && tensor.name != "output.weight";
      has_stacks_ = has_stacks_ || tensor.dims[2] > 1;
      n_values_ += is_value(tensor.name);
    }
  }

  // In order of layers: some rules count.
  Type choose(const TensorInfo& tensor) {
    const Type wanted = traits_of(mix_.base).block_size == 1 ? mix_.base : wanted_for(tensor);
    return fitting(wanted, tensor.dims[0]);
  }

 private:
  static bool is_value(std::string_view name) {
    return contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight") ||
           contains(name, "attn_kv_b.weight");
  }

  Type wanted_for(const TensorInfo& tensor) {
    const std::string_view name = tensor.name;
    const bool is_embedding = name == "token_embd.weight" || name == "per_layer_token_embd.weight";
    const bool is_output = name == "output.weight" || (is_tied_ && is_embedding);
    if (mix_.base == Type::mxfp4) {
      if (is_output || is_embedding) return Type::q8_0;
      return tensor.dims[2] > 1 || !has_stacks_ ? Type::mxfp4 : Type::q8_0;
    }
    if (is_output) {
      if (mix_.base == Type::q8_0 || tensor.dims[0] % traits_of(mix_.base).block_size != 0)
        return Type::q8_0;
      return Type::q6_k;
    }
    if (is_embedding) return mix_.base;
    const bool has_eight_experts = facts_.n_experts == 8;  // where the rest is small beside them
    if (is_value(name)) {
      const int i = i_value_++;
      if (has_eight_experts) return Type::q8_0;
      if (mix_.is_mixed && gets_more_bits(i, n_values_)) return Type::q6_k;
      return is_70b() && mix_.base == Type::q4_k ? Type::q5_k : mix_.base;
    }
    if (contains(name, "attn_k.weight") && has_eight_experts) return Type::q8_0;
    if (contains(name, "ffn_down")) {
      const int i = facts_.n_experts > 1 ? layer_of(name) : i_down_++;
      return mix_.is_mixed && gets_more_bits(i, static_cast<int>(facts_.n_layers)) ? Type::q6_k
                                                                                   : mix_.base;
    }
    if (contains(name, "attn_output.weight") && has_eight_experts && mix_.is_mixed &&
        mix_.base == Type::q4_k)
      return Type::q5_k;
    return mix_.base;
  }

  // Values are an eighth of the queries there: more bits cost little.
  bool is_70b() const {
    return facts_.n_layers == 80 && facts_.shares_kv_heads &&
           (facts_.architecture == "llama" || facts_.architecture == "qwen2");
  }

  static Type fitting(Type type, uint64_t cols) {
    if (cols % traits_of(type).block_size == 0) return type;
    switch (type) {
      case Type::q4_k: type = Type::q5_0; break;
      case Type::q5_k: type = Type::q5_1; break;
      case Type::q6_k: type = Type::q8_0; break;
      default: break;
    }
    return cols % traits_of(type).block_size == 0 ? type : Type::f16;
  }

  const Mix& mix_;
  const ModelFacts& facts_;
  bool is_tied_ = true, has_stacks_ = false;
  int n_values_ = 0, i_value_ = 0, i_down_ = 0;
};

}  // namespace

Result<Mix> mix_of(std::string_view name) {
  const auto same = [&](std::string_view other) {
    return std::ranges::equal(name, other, [](unsigned char a, unsigned char b) {
      return std::toupper(a) == std::toupper(b);
    });
  };
  for (const Mix& mix : kMixes)
    if (same(mix.name) || (mix.base == Type::mxfp4 && same("MXFP4_MOE"))) return mix;
  return Error{Errc::invalid, fmt::format("type '{}' is not one that can be written, expected {}",
                                          name, mix_names())};
}

std::string mix_names() {
  std::vector<std::string_view> names;
  for (const Mix& mix : kMixes) names.push_back(mix.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<Type> types_of(const Mix& mix, const ModelFacts& facts,
                           std::span<const TensorInfo> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) {
    return std::pair(layer_of(tensors[i].name), std::string_view(tensors[i].name));
  });
  std::vector<Type> types(tensors.size());
  Chooser chooser(mix, facts, tensors);
  for (const size_t i : order)
    types[i] = is_quantized(tensors[i]) ? chooser.choose(tensors[i]) : tensors[i].type;
  return types;
}

}  // namespace hearth::gguf
