// Weights come from a hash of tensor, row and column, so that any row can be made alone, by any
// thread, and twice the same. Four 16-bit numbers of a hash are summed to one value: near enough to
// a normal distribution for a quantizer to behave as on real weights.
#include "engine/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "inference/entry_points.h"

namespace hearth::engine {

namespace {

struct Shape {
  std::string_view name, architecture;
  uint32_t n_layers, width, n_heads, n_kv_heads, head_dim, n_ff, n_vocab;
  uint32_t n_experts = 0, n_used = 0;
  bool has_biases = false, has_head_norms = false;
};

constexpr Shape kShapes[] = {
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 0, 0, true, false},
    {"qwen3-1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, 0, 0, false, true},
    {"moe-32x4", "qwen3moe", 16, 1024, 16, 4, 64, 512, 32768, 32, 4, false, true},
};

constexpr uint32_t kContext = 32768;

// Turns and nothing else, so that a conversation can be rendered.
constexpr const char* kChatTemplate =
    "{%- if tools %}{{- '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n' }}{%- endif %}"
    "{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}{{- '<|im_end|>\\n' }}"
    "{%- elif messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content %}{{- message.content }}{%- endif %}"
    "{%- for call in message.tool_calls or [] %}"
    "{{- '\\n<tool_call>\\n' }}{{- call.function | tojson }}{{- '\\n</tool_call>' }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

// How the values of a tensor are spread.
struct Spread {
  float mean, deviation;
};

Spread spread_of(const gguf::TensorInfo& tensor) {
  if (tensor.name.ends_with("norm.weight")) return {1, 0.1f};
  if (tensor.name.ends_with(".bias")) return {0, 0.1f};
  if (tensor.name == "token_embd.weight") return {0, 0.02f};
  return {0, 1 / std::sqrt(static_cast<float>(tensor.dims[0]))};
}

uint64_t hashed(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

void fill_row(const gguf::TensorInfo& tensor, size_t t, uint64_t row, float* out) {
  const auto [mean, deviation] = spread_of(tensor);
  const uint64_t seed = hashed(hashed(t) + row);
  // The sum of four uniform numbers in [0, 65536) has this mean and deviation.
  constexpr float kMean = 2 * 65535.0f, kDeviation = 37837.0f;
  for (uint64_t i = 0; i < tensor.dims[0]; ++i) {
    const uint64_t bits = hashed(seed + i);
    const auto sum = static_cast<float>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                        (bits >> 32 & 0xffff) + (bits >> 48));
    out[i] = mean + deviation * (sum - kMean) / kDeviation;
  }
}

std::vector<gguf::TensorInfo> tensors_of(const Shape& s) {
  std::vector<gguf::TensorInfo> tensors;
  const auto add = [&](std::string name, uint32_t n_dims, std::array<uint64_t, 4> dims) {
    tensors.push_back({.name = std::move(name), .n_dims = n_dims, .dims = dims});
  };
  const auto vector = [&](std::string name, uint64_t n) { add(std::move(name), 1, {n, 1, 1, 1}); };
  const auto matrix = [&](std::string name, uint64_t cols, uint64_t rows) {
    add(std::move(name), 2, {cols, rows, 1, 1});
  };
  const uint64_t q = uint64_t{s.n_heads} * s.head_dim, kv = uint64_t{s.n_kv_heads} * s.head_dim;
  matrix("token_embd.weight", s.width, s.n_vocab);
  vector("output_norm.weight", s.width);
  for (uint32_t i = 0; i < s.n_layers; ++i) {
    const auto name = [&](const char* role) { return fmt::format("blk.{}.{}", i, role); };
    vector(name("attn_norm.weight"), s.width);
    matrix(name("attn_q.weight"), s.width, q);
    matrix(name("attn_k.weight"), s.width, kv);
    matrix(name("attn_v.weight"), s.width, kv);
    matrix(name("attn_output.weight"), q, s.width);
    if (s.has_biases) {
      vector(name("attn_q.bias"), q);
      vector(name("attn_k.bias"), kv);
      vector(name("attn_v.bias"), kv);
    }
    if (s.has_head_norms) {
      vector(name("attn_q_norm.weight"), s.head_dim);
      vector(name("attn_k_norm.weight"), s.head_dim);
    }
    vector(name("ffn_norm.weight"), s.width);
    if (s.n_experts > 0) {
      matrix(name("ffn_gate_inp.weight"), s.width, s.n_experts);
      add(name("ffn_gate_exps.weight"), 3, {s.width, s.n_ff, s.n_experts, 1});
      add(name("ffn_up_exps.weight"), 3, {s.width, s.n_ff, s.n_experts, 1});
      add(name("ffn_down_exps.weight"), 3, {s.n_ff, s.width, s.n_experts, 1});
    } else {
      matrix(name("ffn_gate.weight"), s.width, s.n_ff);
      matrix(name("ffn_up.weight"), s.width, s.n_ff);
      matrix(name("ffn_down.weight"), s.n_ff, s.width);
    }
  }
  return tensors;
}

std::string utf8(uint32_t code) {  // below U+0800
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

// Bytes as the GPT-2 alphabet writes them: what is printable for itself, the others from U+0100 on.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable =
        (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte != 173);
    tokens.push_back(utf8(is_printable ? byte : next++));
  }
  return tokens;
}

// Single bytes, a few merges, fillers up to the size, and the markers of turns at the end.
void set_tokenizer(gguf::Header& header, uint32_t n_vocab) {
  constexpr int32_t kNormal = 1, kControl = 3;
  const std::vector<std::string> merges = {"t h", "th e", "i n", "e r", "o n", "r e", "a n", "s t"};
  const std::vector<std::string> markers = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  std::vector<std::string> tokens = byte_tokens();
  for (std::string merge : merges) {
    merge.erase(merge.find(' '), 1);
    tokens.push_back(std::move(merge));
  }
  while (tokens.size() < n_vocab - markers.size())
    tokens.push_back(fmt::format("w{}", tokens.size()));
  tokens.insert(tokens.end(), markers.begin(), markers.end());
  std::vector<int32_t> types(n_vocab, kNormal);
  std::fill(types.end() - static_cast<ptrdiff_t>(markers.size()), types.end(), kControl);

  header.set("tokenizer.ggml.model", "gpt2");
  header.set("tokenizer.ggml.pre", "qwen2");
  header.set("tokenizer.ggml.tokens", tokens);
  header.set("tokenizer.ggml.token_type", types);
  header.set("tokenizer.ggml.merges", merges);
  header.set("tokenizer.ggml.bos_token_id", n_vocab - 3);
  header.set("tokenizer.ggml.eos_token_id", n_vocab - 1);
  header.set("tokenizer.ggml.add_bos_token", false);
  header.set("tokenizer.chat_template", kChatTemplate);
}

gguf::Header header_of(const Shape& s) {
  gguf::Header header;
  header.set("general.architecture", s.architecture);
  header.set("general.name", fmt::format("random weights in the shape of {}", s.name));
  const auto key = [&](const char* name) { return fmt::format("{}.{}", s.architecture, name); };
  header.set(key("block_count"), s.n_layers);
  header.set(key("context_length"), kContext);
  header.set(key("embedding_length"), s.width);
  header.set(key("feed_forward_length"), s.n_ff);
  header.set(key("attention.head_count"), s.n_heads);
  header.set(key("attention.head_count_kv"), s.n_kv_heads);
  header.set(key("attention.key_length"), s.head_dim);
  header.set(key("attention.value_length"), s.head_dim);
  header.set(key("attention.layer_norm_rms_epsilon"), 1e-6f);
  header.set(key("rope.freq_base"), 1e6f);
  if (s.n_experts > 0) {
    header.set(key("expert_count"), s.n_experts);
    header.set(key("expert_used_count"), s.n_used);
    header.set(key("expert_feed_forward_length"), s.n_ff);
  }
  set_tokenizer(header, s.n_vocab);
  return header;
}

}  // namespace

Result<gguf::ModelSource> synthetic_model(std::string_view shape) {
  const auto* found = std::ranges::find(kShapes, shape, &Shape::name);
  if (found == std::end(kShapes))
    return Error{Errc::invalid, fmt::format("shape '{}' is not known, expected one of: {}", shape,
                                            synthetic_shapes())};
  gguf::ModelSource source{.header = header_of(*found),
                           .facts = {.architecture = found->architecture,
                                     .n_layers = found->n_layers,
                                     .n_experts = found->n_experts,
                                     .shares_kv_heads = found->n_kv_heads < found->n_heads},
                           .tensors = tensors_of(*found),
                           .row = {},
                           .bytes = {}};
  source.row = [tensors = source.tensors](size_t t, uint64_t i, float* out) {
    fill_row(tensors[t], t, i, out);
  };
  return source;
}

std::string synthetic_shapes() {
  std::vector<std::string_view> names;
  for (const Shape& shape : kShapes) names.push_back(shape.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace hearth::engine
