// A model's numbers, read once from the metadata and checked: nothing is zero that divides, nothing
// is so large that a product of two wraps.
#pragma once

#include <cstdint>
#include <string>

#include "gguf/reader.h"
#include "support/result.h"

namespace hearth {

enum class RopeScaling : uint8_t { none, linear, yarn };

struct HParams {
  std::string architecture;
  uint32_t n_layers = 0;
  uint32_t n_context_train = 0;
  uint32_t width = 0;    // embedding_length, d
  uint32_t n_vocab = 0;  // rows of token_embd: the tokenizer's, or padded past it
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;  // of q, k and v
  uint32_t n_ff = 0;
  float norm_eps = 1e-5f;
  float attention_scale = 0;  // 1/sqrt(head_dim) unless the file says otherwise

  uint32_t n_rot = 0;  // rotated dimensions of a head, the first ones
  float rope_base = 10000.f;
  RopeScaling rope_scaling = RopeScaling::none;
  float rope_factor = 1.f;
  uint32_t rope_original_context = 0;
  float yarn_beta_fast = 32.f, yarn_beta_slow = 1.f;
  float yarn_attn_factor = 1.f;  // net factor of cos and sin

  uint64_t q_width() const { return uint64_t{n_heads} * head_dim; }
  uint64_t kv_width() const { return uint64_t{n_kv_heads} * head_dim; }

  // Errors name the file, the key, what was expected and what is there. A layout that this engine
  // does not know (heads that differ by layer, values of another size than keys) is unsupported.
  static Result<HParams> read(const gguf::File& file);
};

}  // namespace hearth
