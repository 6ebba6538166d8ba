// The Backend that runs on this machine's cores: it hands each call to the operation of ops.h.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/weight_memory.h"

namespace hearth::cpu {

class CpuBackend final : public Backend {
 public:
  CpuBackend(uint32_t n_threads, Path path, bool exact);

  std::string_view name() const override { return name_of(path_); }
  uint32_t n_threads() const override { return pool_.size(); }
  uint64_t usable_bytes() const override { return usable_memory_bytes(); }

  Weight prepare(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) override;
  Weight prepare_table(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) override;
  uint64_t prepared_bytes(const gguf::Tensor& tensor) const override;
  Floats allocate(size_t n) override;
  Floats upload(std::span<const float> numbers) override;

  void embed(const Weight& embedding, std::span<const Token> tokens, float scale,
             float* out) override;
  void multiply(std::span<const Product> products, const float* x, size_t n) override;
  void normalize(NormKind kind, const float* x, const float* weight, const float* bias, float eps,
                 size_t width, size_t n, float* out) override;
  void rope(RopeKind kind, float* x, size_t n_heads, size_t head_dim, size_t n_rot,
            const float* cos_sin, size_t n) override;
  void activate(Activation activation, const float* gate, const float* up, size_t n,
                float* out) override;
  void copy(const float* from, size_t n, float* to) override;
  void add(float* x, const float* y, float scale, size_t n) override;
  void scale_rows(float* x, const float* scale, size_t width, size_t n) override;
  void gate_rows(float* x, const float* gate, size_t width, size_t n) override;
  void finish_logits(float* x, float scale, float cap, size_t n) override;
  void store_kv(const AttentionShape& shape, std::span<const AttentionRow> rows, const float* k,
                const float* v) override;
  void attend(const AttentionShape& shape, std::span<const AttentionRow> rows, const float* q,
              float* out) override;
  void run_experts(const Experts& experts, const float* logits, const float* x, size_t n,
                   const ExpertsWorkspace& ws, float* out) override;
  void multiply_stack(const Weight& stack, const float* x, size_t n, float* y) override;
  void join(const float* a, size_t first, const float* b, size_t second, size_t n,
            float* x) override;
  void gate(float* x, const float* gate, size_t n) override;
  void multiply_elements(float* x, const float* y, size_t n) override;
  void xielu(const Xielu& parameters, float* x, size_t n) override;
  void convolve(const Convolution& convolution, std::span<const StateSegment> segments,
                size_t offset, const float* x, float* y) override;
  void delta_rule(const DeltaRule& rule, std::span<const StateSegment> segments, size_t offset,
                  const float* qkv, const float* alpha, const float* beta, float* out) override;
  void keep_rows(float* x, size_t width, std::span<const uint32_t> rows) override;
  bool all_finite(const float* x, size_t n) override;

 private:
  Machine machine() { return {pool_, path_}; }
  Weight repacked(const Weight& table, uint32_t strip_rows);

  ThreadPool pool_;
  const Path path_;
  const bool exact_;
  Scratch stack_room_;  // of multiply_stack
  WeightMemory weights_;
};

}  // namespace hearth::cpu
