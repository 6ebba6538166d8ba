#include "graph/hparams.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace hearth {
namespace {

// Far above any model known, far below where the product of three sizes leaves 64 bits.
constexpr uint64_t kMaxLayers = 4096;
constexpr uint64_t kMaxContext = 1u << 30;
constexpr uint64_t kMaxWidth = 1u << 20;
constexpr uint64_t kMaxHeads = 1u << 14;
constexpr uint64_t kMaxHeadDim = 1u << 12;
constexpr uint64_t kMaxFeedForward = 1u << 22;
constexpr uint64_t kMaxVocabulary = 1u << 24;

// Reads the keys of one architecture. The first error is kept and everything after it is skipped,
// so that the list of keys below reads as a list.
class KeyReader {
 public:
  explicit KeyReader(const gguf::File& file) : file_(file), prefix_(file.architecture()) {}

  const std::optional<Error>& error() const { return error_; }
  bool has(std::string_view key) const { return file_.find(full(key)) != nullptr; }

  void fail(Errc code, std::string_view key, std::string_view what) {
    if (!error_) error_ = Error{code, fmt::format("{}: {} {}", file_.path(), full(key), what)};
  }

  // Between 1 and max. A per-layer array counts when all its elements are equal.
  uint32_t size(std::string_view key, uint64_t max) {
    if (!error_ && !has(key)) fail(Errc::corrupt, key, "is missing, expected a positive integer");
    return size_or(key, 0, max);
  }

  uint32_t size_or(std::string_view key, uint64_t fallback, uint64_t max) {
    if (error_) return 1;
    const gguf::Value* value = file_.find(full(key));
    std::optional<uint64_t> number = fallback;
    if (value && value->type() == gguf::ValueType::array) {
      number = uniform(key, *value);
    } else if (value) {
      number = value->as_uint();
      if (!number) fail(Errc::corrupt, key, actual_type(*value));
    }
    if (error_) return 1;
    if (*number == 0 || *number > max) {
      fail(Errc::corrupt, key, fmt::format("is {}, expected 1 to {}", *number, max));
      return 1;
    }
    return static_cast<uint32_t>(*number);
  }

  // A finite number that float32 holds.
  float number_or(std::string_view key, double fallback) {
    if (error_) return 1.f;
    const gguf::Value* value = file_.find(full(key));
    if (!value) return static_cast<float>(fallback);
    const std::optional<double> number = value->as_float();
    if (!number) {
      fail(Errc::corrupt, key, fmt::format("is {}, expected a number", name_of(value->type())));
    } else if (!(std::abs(*number) <= std::numeric_limits<float>::max())) {
      fail(Errc::corrupt, key, fmt::format("is {}, expected a finite number", *number));
    } else {
      return static_cast<float>(*number);
    }
    return 1.f;
  }

  float positive_or(std::string_view key, double fallback) {
    const float number = number_or(key, fallback);
    if (!(number > 0)) fail(Errc::corrupt, key, fmt::format("is {}, expected > 0", number));
    return number;
  }

  std::string_view string_or(std::string_view key, std::string_view fallback) {
    const gguf::Value* value = error_ ? nullptr : file_.find(full(key));
    if (!value) return fallback;
    const std::optional<std::string_view> text = value->as_string();
    if (!text)
      fail(Errc::corrupt, key, fmt::format("is {}, expected a string", name_of(value->type())));
    return text.value_or(fallback);
  }

 private:
  std::string full(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }

  static std::string actual_type(const gguf::Value& value) {
    if (const std::optional<int64_t> number = value.as_int())
      return fmt::format("is {}, expected a positive integer", *number);
    return fmt::format("is {}, expected an integer", name_of(value.type()));
  }

  std::optional<uint64_t> uniform(std::string_view key, const gguf::Value& array) {
    for (size_t i = 0; i < array.size(); ++i) {
      const std::optional<int64_t> first = array.int_at(0), element = array.int_at(i);
      if (!element || *element < 0) {
        fail(Errc::corrupt, key, fmt::format("element {} is not a positive integer", i));
      } else if (element != first) {
        fail(Errc::unsupported, key,
             fmt::format("differs by layer ({} in layer 0, {} in layer {}), which is not supported",
                         *first, *element, i));
      }
      if (error_) return std::nullopt;
    }
    if (array.size() == 0) {
      fail(Errc::corrupt, key, "is an empty array");
      return std::nullopt;
    }
    return static_cast<uint64_t>(*array.int_at(0));
  }

  const gguf::File& file_;
  std::string_view prefix_;
  std::optional<Error> error_;
};

void read_attention(KeyReader& keys, HParams& hp) {
  hp.n_heads = keys.size("attention.head_count", kMaxHeads);
  hp.n_kv_heads = keys.size_or("attention.head_count_kv", hp.n_heads, kMaxHeads);
  if (hp.n_heads % hp.n_kv_heads != 0)
    keys.fail(Errc::corrupt, "attention.head_count_kv",
              fmt::format("is {}, which does not divide head_count {}", hp.n_kv_heads, hp.n_heads));
  if (!keys.has("attention.key_length") && hp.width % hp.n_heads != 0)
    keys.fail(Errc::corrupt, "attention.head_count",
              fmt::format("is {}, which does not divide embedding_length {}, and there is no "
                          "attention.key_length",
                          hp.n_heads, hp.width));
  hp.head_dim = keys.size_or("attention.key_length", hp.width / hp.n_heads, kMaxHeadDim);
  const uint32_t value_dim =
      keys.size_or("attention.value_length", hp.width / hp.n_heads, kMaxHeadDim);
  if (value_dim != hp.head_dim)
    keys.fail(Errc::unsupported, "attention.value_length",
              fmt::format("is {}, expected key_length {}: other sizes are not supported", value_dim,
                          hp.head_dim));
  // 0 is written by some converters and means the same as no key.
  hp.attention_scale = keys.number_or("attention.scale", 0);
  if (hp.attention_scale == 0)
    hp.attention_scale = 1.f / std::sqrt(static_cast<float>(hp.head_dim));
  if (!keys.has("attention.layer_norm_rms_epsilon"))
    keys.fail(Errc::corrupt, "attention.layer_norm_rms_epsilon", "is missing, expected a number");
  hp.norm_eps = keys.number_or("attention.layer_norm_rms_epsilon", 0);
  if (!(hp.norm_eps >= 0 && hp.norm_eps < 1))
    keys.fail(Errc::corrupt, "attention.layer_norm_rms_epsilon",
              fmt::format("is {}, expected 0 to 1", hp.norm_eps));
}

// What cos and sin are multiplied by under yarn. Without further keys 1 + 0.1 ln(factor); the
// converter writes the config's attention_factor, which replaces it, as yarn_attn_factor, and
// mscale_all_dim, which divides by its own term, as yarn_log_multiplier.
float yarn_magnitude(KeyReader& keys, float factor) {
  const auto mscale = [&](float c) { return factor > 1 ? 1.f + 0.1f * c * std::log(factor) : 1.f; };
  const float all_dims = keys.number_or("rope.scaling.yarn_log_multiplier", 0);
  const float net = all_dims != 0 ? mscale(1) / mscale(all_dims) : mscale(1);
  return keys.positive_or("rope.scaling.yarn_attn_factor", net) *
         keys.positive_or("rope.scaling.attn_factor", 1);
}

void read_rope(KeyReader& keys, HParams& hp) {
  hp.n_rot = keys.size_or("rope.dimension_count", hp.head_dim, kMaxHeadDim);
  if (hp.n_rot % 2 != 0 || hp.n_rot > hp.head_dim)
    keys.fail(Errc::corrupt, "rope.dimension_count",
              fmt::format("is {}, expected an even number up to the head size {}", hp.n_rot,
                          hp.head_dim));
  hp.rope_base = keys.positive_or("rope.freq_base", 10000);
  hp.rope_original_context =
      keys.size_or("rope.scaling.original_context_length", hp.n_context_train, kMaxContext);

  // Old files say rope.scale_linear; a factor without a type means linear; 0 means no scaling.
  float factor = keys.number_or("rope.scaling.factor", keys.number_or("rope.scale_linear", 0));
  if (factor == 0) factor = 1;
  if (!(factor > 0))
    keys.fail(Errc::corrupt, "rope.scaling.factor", fmt::format("is {}, expected > 0", factor));
  const std::string_view type =
      keys.string_or("rope.scaling.type", factor == 1 ? "none" : "linear");
  if (type == "none") return;
  hp.rope_factor = factor;
  if (type == "linear") {
    hp.rope_scaling = RopeScaling::linear;
  } else if (type == "yarn") {
    hp.rope_scaling = RopeScaling::yarn;
    hp.yarn_beta_fast = keys.positive_or("rope.scaling.yarn_beta_fast", 32);
    hp.yarn_beta_slow = keys.positive_or("rope.scaling.yarn_beta_slow", 1);
    hp.yarn_attn_factor = yarn_magnitude(keys, factor);
    if (!(hp.rope_base > 1))
      keys.fail(Errc::corrupt, "rope.freq_base",
                fmt::format("is {}, expected > 1 with yarn", hp.rope_base));
    if (keys.number_or("rope.scaling.yarn_ext_factor", 1) != 1)
      keys.fail(Errc::unsupported, "rope.scaling.yarn_ext_factor", "is not 1");
  } else {
    keys.fail(Errc::unsupported, "rope.scaling.type",
              fmt::format("is '{}', expected none, linear or yarn", type));
  }
}

Result<uint32_t> read_vocabulary(const gguf::File& file, uint32_t width) {
  const gguf::Tensor* embedding = file.find_tensor("token_embd.weight");
  if (!embedding)
    return Error{Errc::corrupt, fmt::format("{}: tensor token_embd.weight is missing, expected "
                                            "{{{}, vocabulary size}}",
                                            file.path(), width)};
  const uint64_t rows = embedding->dims[1];
  if (rows == 0 || rows > kMaxVocabulary)
    return Error{Errc::corrupt, fmt::format("{}: tensor token_embd.weight has {} rows, expected 1 "
                                            "to {}",
                                            file.path(), rows, kMaxVocabulary)};
  // Rows past the tokenizer's are padding; fewer would leave tokens without an embedding.
  const gguf::Value* tokens = file.find("tokenizer.ggml.tokens");
  if (tokens && tokens->size() > rows)
    return Error{Errc::corrupt,
                 fmt::format("{}: tensor token_embd.weight has {} rows, expected at least the "
                             "tokenizer's {} tokens",
                             file.path(), rows, tokens->size())};
  return static_cast<uint32_t>(rows);
}

}  // namespace

Result<HParams> HParams::read(const gguf::File& file) {
  HParams hp;
  hp.architecture = file.architecture();
  if (hp.architecture.empty())
    return Error{Errc::corrupt, fmt::format("{}: general.architecture is missing", file.path())};

  KeyReader keys(file);
  hp.n_layers = keys.size("block_count", kMaxLayers);
  hp.n_context_train = keys.size("context_length", kMaxContext);
  hp.width = keys.size("embedding_length", kMaxWidth);
  hp.n_ff = keys.size("feed_forward_length", kMaxFeedForward);
  read_attention(keys, hp);
  read_rope(keys, hp);
  if (keys.error()) return *keys.error();

  const Result<uint32_t> n_vocab = read_vocabulary(file, hp.width);
  if (!n_vocab) return n_vocab.error();
  hp.n_vocab = *n_vocab;
  return hp;
}

}  // namespace hearth
