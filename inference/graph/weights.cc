#include "graph/weights.h"

#include <fmt/format.h>

#include <set>

namespace hearth {
namespace {

enum class Need { required, optional };

// Looks tensors up by name against an expected shape, keeps the first error and remembers what was
// used.
class Loader {
 public:
  explicit Loader(const gguf::File& file) : file_(file) {}

  const std::optional<Error>& error() const { return error_; }

  // Shape {cols, rows}: y = W x takes cols numbers to rows.
  void matrix(const std::string& name, uint64_t cols, uint64_t rows, Need need, cpu::Matrix& out) {
    const gguf::Tensor* tensor = find(name, {cols, rows}, need);
    if (!tensor) return;
    if (!gguf::traits_of(tensor->type).is_computable)
      return fail(Errc::unsupported, name,
                  fmt::format("has type {}, which this build cannot multiply; re-quantize it, for "
                              "example to Q8_0 or Q4_K",
                              gguf::name_of(tensor->type)));
    out = {.type = tensor->type, .cols = cols, .rows = rows, .data = tensor->data.data()};
  }

  void vector(const std::string& name, uint64_t size, Need need, std::vector<float>& out) {
    const gguf::Tensor* tensor = find(name, {size, 1}, need);
    if (!tensor) return;
    using gguf::Type;
    if (tensor->type != Type::f32 && tensor->type != Type::f16 && tensor->type != Type::bf16)
      return fail(
          Errc::unsupported, name,
          fmt::format("has type {}, expected F32, F16 or BF16", gguf::name_of(tensor->type)));
    out.resize(size);
    cpu::dequantize_row(
        {.type = tensor->type, .cols = size, .rows = 1, .data = tensor->data.data()}, 0,
        out.data());
  }

  // NAME.weight and, where the file has it, NAME.bias.
  void linear(const std::string& name, uint64_t cols, uint64_t rows, Linear& out) {
    matrix(name + ".weight", cols, rows, Need::required, out.matrix);
    vector(name + ".bias", rows, Need::optional, out.bias);
  }

  // What was not asked for. A tensor that would scale a used one cannot be left out silently.
  std::vector<std::string> unused() {
    std::vector<std::string> names;
    for (const gguf::Tensor& tensor : file_.tensors()) {
      if (used_.contains(tensor.name)) continue;
      if (tensor.name.ends_with(".scale"))
        fail(Errc::unsupported, tensor.name, "scales another tensor, which is not supported");
      names.emplace_back(tensor.name);
    }
    return names;
  }

 private:
  struct Shape {
    uint64_t cols, rows;
  };

  void fail(Errc code, std::string_view name, std::string_view what) {
    if (!error_) error_ = Error{code, fmt::format("{}: tensor {} {}", file_.path(), name, what)};
  }

  const gguf::Tensor* find(const std::string& name, Shape shape, Need need) {
    if (error_) return nullptr;
    const gguf::Tensor* tensor = file_.find_tensor(name);
    const std::string expected = shape.rows == 1
                                     ? fmt::format("{{{}}}", shape.cols)
                                     : fmt::format("{{{}, {}}}", shape.cols, shape.rows);
    if (!tensor) {
      if (need == Need::required)
        fail(Errc::corrupt, name, fmt::format("is missing, expected {}", expected));
      return nullptr;
    }
    if (tensor->dims[0] != shape.cols || tensor->dims[1] != shape.rows || tensor->dims[2] != 1 ||
        tensor->dims[3] != 1) {
      fail(Errc::corrupt, name,
           fmt::format("is {}, expected {}", gguf::describe(*tensor), expected));
      return nullptr;
    }
    if (tensor->data.size() < gguf::row_bytes(tensor->type, shape.cols) * shape.rows) {
      fail(Errc::corrupt, name, "has no data: the file holds a vocabulary only");
      return nullptr;
    }
    used_.insert(tensor->name);
    return tensor;
  }

  const gguf::File& file_;
  std::set<std::string_view> used_;
  std::optional<Error> error_;
};

void load_layer(Loader& load, const HParams& hp, const LayerPlan& plan, const std::string& prefix,
                LayerWeights& layer) {
  load.vector(prefix + "attn_norm.weight", hp.width, Need::required, layer.attn_norm);
  load.linear(prefix + "attn_q", hp.width, hp.q_width(), layer.q);
  load.linear(prefix + "attn_k", hp.width, hp.kv_width(), layer.k);
  load.linear(prefix + "attn_v", hp.width, hp.kv_width(), layer.v);
  load.linear(prefix + "attn_output", hp.q_width(), hp.width, layer.o);
  if (plan.mixer.qk_norm_per_head) {
    load.vector(prefix + "attn_q_norm.weight", hp.head_dim, Need::required, layer.q_norm);
    load.vector(prefix + "attn_k_norm.weight", hp.head_dim, Need::required, layer.k_norm);
  }
  load.vector(prefix + "ffn_norm.weight", hp.width, Need::required, layer.ffn_norm);
  load.linear(prefix + "ffn_gate", hp.width, hp.n_ff, layer.gate);
  load.linear(prefix + "ffn_up", hp.width, hp.n_ff, layer.up);
  load.linear(prefix + "ffn_down", hp.n_ff, hp.width, layer.down);
}

}  // namespace

Result<Weights> load_weights(const gguf::File& file, const HParams& hp, const ModelPlan& plan) {
  Weights weights;
  Loader load(file);
  load.matrix("token_embd.weight", hp.width, hp.n_vocab, Need::required, weights.embedding);
  weights.output = weights.embedding;
  load.matrix("output.weight", hp.width, hp.n_vocab, Need::optional, weights.output);
  load.vector("output_norm.weight", hp.width, Need::required, weights.output_norm);
  load.vector("rope_freqs.weight", hp.n_rot / 2, Need::optional, weights.rope_factors);

  weights.layers.resize(plan.layers.size());
  for (size_t i = 0; i < plan.layers.size() && !load.error(); ++i)
    load_layer(load, hp, plan.layers[i], fmt::format("blk.{}.", i), weights.layers[i]);

  weights.unused = load.unused();
  if (load.error()) return *load.error();
  for (size_t i = 0; i < weights.rope_factors.size(); ++i) {
    if (!(weights.rope_factors[i] > 0))
      return Error{Errc::corrupt, fmt::format("{}: tensor rope_freqs.weight has {} at {}, expected "
                                              "> 0",
                                              file.path(), weights.rope_factors[i], i)};
  }
  return weights;
}

}  // namespace hearth
