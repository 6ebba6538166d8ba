// The seam between the graph and what computes it. A call is a whole operation on a batch, so that
// the price of going through the seam does not show.
//
// Order of summation depends only on the position in K and on the absolute KV tile, never on the
// number of rows, the chunk size or the thread count: a request alone equals the same request in a
// batch, bit for bit, on one backend.
//
// Activations are float32, row-major, one row per token, in memory that allocate() gave. Sizes are
// trusted: they were checked at load. Operations are called by one thread at a time (the engine
// thread); prepare(), upload() and allocate() by any, also meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "backend/operands.h"
#include "gguf/reader.h"
#include "inference/message.h"

namespace hearth {

// A weight matrix, or a stack of equal ones: `rows` rows of `cols` elements; y = W x is a dot per
// row. The layout of `data` is the backend's own: as in the file (strip_rows 0; then the file's
// mapping must outlive the weight) or repacked (then the memory is the weight's). Null data: there
// is none.
struct Weight {
  gguf::Type type = gguf::Type::f32;
  uint64_t cols = 0, rows = 0;
  uint32_t n_stacked = 1;
  std::shared_ptr<const std::byte> data;
  uint32_t strip_rows = 0;
  // A factor of the products for each matrix of the stack (NVFP4 files); null: 1.
  std::shared_ptr<const float> factors{};

  explicit operator bool() const { return data != nullptr; }
};

// Float32 numbers in the backend's memory: norms, biases, workspace.
struct Floats {
  std::shared_ptr<float> memory;
  size_t size = 0;
  float* data() const { return memory.get(); }
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;  // "avx2"
  virtual uint32_t n_threads() const = 0;
  virtual uint64_t usable_bytes() const = 0;  // of memory, for everything together

  // Rows [first_row, first_row + n_rows) of a two-dimensional tensor, or all of a stack: to be
  // multiplied with.
  virtual Weight prepare(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) = 0;
  // The same to look rows up in: for embed().
  virtual Weight prepare_table(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) = 0;
  // What a prepared tensor takes of the machine's memory, the mapping of its file included.
  virtual uint64_t prepared_bytes(const gguf::Tensor& tensor) const = 0;
  virtual Floats allocate(size_t n) = 0;
  virtual Floats upload(std::span<const float> numbers) = 0;

  // Rows of the embedding times `scale`.
  virtual void embed(const Weight& embedding, std::span<const Token> tokens, float scale,
                     float* out) = 0;

  // y[t] = W x[t] + bias, several matrices that read the same x (q, k, v; gate, up). Rows of y lie
  // W.rows floats apart; bias may be null.
  struct Product {
    const Weight& w;
    const float* bias;
    float* y;
  };
  virtual void multiply(std::span<const Product> products, const float* x, size_t n) = 0;

  // Each of n rows of `width`; bias null for rms. out may be x.
  virtual void normalize(NormKind kind, const float* x, const float* weight, const float* bias,
                         float eps, size_t width, size_t n, float* out) = 0;

  // In place on n_heads heads of head_dim in each token row. cos_sin: n_rot / 2 pairs a token.
  virtual void rope(RopeKind kind, float* x, size_t n_heads, size_t head_dim, size_t n_rot,
                    const float* cos_sin, size_t n) = 0;

  // Elementwise over n numbers; up null where there is no gate; out may be gate.
  virtual void activate(Activation activation, const float* gate, const float* up, size_t n,
                        float* out) = 0;
  virtual void copy(const float* from, size_t n, float* to) = 0;
  // x += scale * y
  virtual void add(float* x, const float* y, float scale, size_t n) = 0;
  // x[t] *= scale[t], each of n rows of `width`
  virtual void scale_rows(float* x, const float* scale, size_t width, size_t n) = 0;
  // x[t] *= sigmoid(gate[t]), each of n rows of `width`
  virtual void gate_rows(float* x, const float* gate, size_t width, size_t n) = 0;
  // x = scale * x, and then cap * tanh(x / cap) where cap is not 0
  virtual void finish_logits(float* x, float scale, float cap, size_t n) = 0;

  // Keys and values of each row (n_kv_heads heads) into its page.
  virtual void store_kv(const AttentionShape& shape, std::span<const AttentionRow> rows,
                        const float* k, const float* v) = 0;
  // Causal attention of each row over positions 0..position of its own sequence.
  virtual void attend(const AttentionShape& shape, std::span<const AttentionRow> rows,
                      const float* q, float* out) = 0;

  // out[t] = sum over the experts e that the router chose for t, best first, of
  //   weight * (down_e activation(gate_e x[t], up_e x[t])). out may be x.
  struct Experts {
    Router router;
    const float* choice_bias;              // (n_experts) joins the choice only; null: none
    Weight gate, up, down;                 // stacks
    Floats gate_bias, up_bias, down_bias;  // (n_experts, rows), or empty
    Activation activation;
  };
  struct ExpertsWorkspace {  // n * n_used rows each
    float *gate, *up, *down;
  };
  virtual void run_experts(const Experts& experts, const float* logits, const float* x, size_t n,
                           const ExpertsWorkspace& ws, float* out) = 0;

  // y[t][i] = W_i x[t][i] for each matrix i of a stack: x (n, n_stacked, cols), y (n, n_stacked,
  // rows).
  virtual void multiply_stack(const Weight& stack, const float* x, size_t n, float* y) = 0;

  // n rows of groups: `first` numbers of a and then `second` of b.
  virtual void join(const float* a, size_t first, const float* b, size_t second, size_t n,
                    float* x) = 0;
  // x *= sigmoid(gate), elementwise
  virtual void gate(float* x, const float* gate, size_t n) = 0;
  // x *= y, elementwise
  virtual void multiply_elements(float* x, const float* y, size_t n) = 0;
  virtual void xielu(const Xielu& parameters, float* x, size_t n) = 0;

  // Recurrent operations, segment after segment; the state lies `offset` floats into before and
  // after. y is not x.
  virtual void convolve(const Convolution& convolution, std::span<const StateSegment> segments,
                        size_t offset, const float* x, float* y) = 0;
  // qkv: rows of q and k (n_k_heads, dim) and v (n_v_heads, dim); alpha and beta: (n_v_heads).
  virtual void delta_rule(const DeltaRule& rule, std::span<const StateSegment> segments,
                          size_t offset, const float* qkv, const float* alpha, const float* beta,
                          float* out) = 0;

  // Moves the given rows, ascending, to the front of x.
  virtual void keep_rows(float* x, size_t width, std::span<const uint32_t> rows) = 0;
  virtual bool all_finite(const float* x, size_t n) = 0;
};

// The CPU. n_threads 0: as many as the process may use cores. `exact`: multiply quantized weights
// as dequantized float32 (the accuracy reference).
std::unique_ptr<Backend> cpu_backend(uint32_t n_threads = 0, bool exact = false);

}  // namespace hearth
