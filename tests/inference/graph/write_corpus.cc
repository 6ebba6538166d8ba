// Writes the corpus of tests/fuzz/model_fuzz.cc into a folder: the smallest models of every kind.
#include <fstream>
#include <string>

#include "inference/graph/model_image.h"

using hearth::testing::ModelImage;

namespace {

constexpr ModelImage::Sizes kSmallest{.n_layers = 1,
                                      .width = 8,
                                      .n_heads = 2,
                                      .n_kv_heads = 1,
                                      .head_dim = 4,
                                      .n_ff = 8,
                                      .n_vocab = 4};

// The same model under another family's name.
ModelImage renamed(const ModelImage& image, const std::string& architecture) {
  ModelImage renamed{.keys = {}, .tensors = image.tensors};
  const std::string old = std::get<std::string>(image.keys.at("general.architecture")) + ".";
  for (const auto& [key, value] : image.keys)
    renamed.keys[key.starts_with(old) ? architecture + key.substr(old.size() - 1) : key] = value;
  renamed.keys["general.architecture"] = architecture;
  return renamed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto write = [&](const std::string& name, const ModelImage& image) {
    std::ofstream(argv[1] + ("/" + name), std::ios::binary) << image.build();
  };
  const ModelImage llama = ModelImage::random(kSmallest);
  write("llama", llama);

  ModelImage scaled = llama;
  scaled.tensors["rope_freqs.weight"] = {.dims = {2}, .values = {1, 2}};
  scaled.tensors["blk.0.attn_q.bias"] = {.dims = {8}, .values = std::vector(8, 0.5f)};
  scaled.keys["llama.rope.scaling.factor"] = 2.f;
  scaled.keys["llama.attention.head_count_kv"] = std::vector<uint32_t>{1};
  write("llama-scaled", scaled);

  ModelImage yarn = renamed(llama, "qwen2");
  yarn.tensors.erase("output.weight");
  yarn.keys["qwen2.rope.scaling.type"] = std::string("yarn");
  yarn.keys["qwen2.rope.scaling.factor"] = 4.f;
  yarn.keys["qwen2.rope.scaling.original_context_length"] = 32u;
  write("qwen2-tied-yarn", yarn);

  ModelImage qwen3 = renamed(llama, "qwen3");
  for (const char* name : {"blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight"})
    qwen3.tensors[name] = {.dims = {4}, .values = std::vector(4, 1.f)};
  write("qwen3", qwen3);

  ModelImage experts = renamed(llama, "qwen2moe");
  experts.keys["qwen2moe.expert_count"] = 2u;
  experts.keys["qwen2moe.expert_used_count"] = 1u;
  experts.keys["qwen2moe.expert_shared_feed_forward_length"] = 8u;
  for (const char* role : {"gate", "up", "down"}) {
    const std::string name = std::string("blk.0.ffn_") + role;
    experts.tensors.erase(name + ".weight");
    experts.tensors[name + "_exps.weight"] = {.dims = {8, 8, 2}, .values = std::vector(128, 0.1f)};
    experts.tensors[name + "_shexp.weight"] = {.dims = {8, 8}, .values = std::vector(64, 0.1f)};
  }
  experts.tensors["blk.0.ffn_gate_inp.weight"] = {.dims = {8, 2}, .values = std::vector(16, 0.1f)};
  experts.tensors["blk.0.ffn_gate_inp_shexp.weight"] = {.dims = {8},
                                                        .values = std::vector(8, 0.1f)};
  write("qwen2moe", experts);

  ModelImage windows = renamed(qwen3, "gemma3");
  windows.keys["gemma3.attention.sliding_window"] = 2u;
  for (const char* name : {"blk.0.post_attention_norm.weight", "blk.0.post_ffw_norm.weight"})
    windows.tensors[name] = {.dims = {8}, .values = std::vector(8, 1.f)};
  write("gemma3", windows);

  ModelImage quantized = ModelImage::random({.n_layers = 1,
                                             .width = 32,
                                             .n_heads = 1,
                                             .n_kv_heads = 1,
                                             .head_dim = 32,
                                             .n_ff = 32,
                                             .n_vocab = 4});
  quantized.quantize(hearth::gguf::Type::q4_1);
  write("llama-q4_1", quantized);
}
