// A loaded model: checked weights, its plan, and the forward pass for a ragged batch.
//
// Lives on the engine thread; forward() uses the pool given at load. Weights stay in the file's
// mapping, so the gguf::File must outlive the Model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/cpu/ops.h"
#include "cache/kv_cache.h"
#include "gguf/reader.h"
#include "graph/hparams.h"
#include "inference/message.h"
#include "support/result.h"

namespace hearth {

// One token to compute. Rows of one sequence are in order of position and contiguous in the batch.
struct BatchRow {
  Token token = 0;
  uint32_t position = 0;
  uint32_t sequence = 0;  // index into Batch::block_tables
  bool wants_logits = false;
};

// Any mix of prompts being read and sequences being decoded. Every page that a row's positions
// fall into must have been acquired; positions before the batch's own are already in the cache.
struct Batch {
  std::span<const BatchRow> rows;
  std::span<const std::vector<PageIndex>> block_tables;
};

class Model {
 public:
  // Checks every tensor's name, shape and type once, with expected and actual in the message.
  // `exact`: multiply quantized weights as dequantized float32 (the accuracy reference).
  static Result<Model> load(const gguf::File& file, cpu::Machine machine, bool exact = false);

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const HParams& hparams() const;
  KvShape kv_shape(cpu::KvElement element) const;
  uint64_t workspace_bytes(uint32_t n_rows) const;      // of activations for a batch of that size
  std::span<const std::string> unused_tensors() const;  // in the file, unknown to the family

  // Logits of the rows that want them, in batch order: n_wanted * n_vocab floats. They depend on
  // the row's own sequence only, bit for bit: not on what else is in the batch, nor on how a
  // prompt was cut into batches.
  //
  // A token or position that does not fit the model or the block table is Errc::invalid, before
  // anything is computed. A non-finite logit is Errc::internal naming the sequence and the layer
  // where it first appeared; nothing of the batch is to be used then, but computing the rows of
  // the other sequences again is safe.
  Result<> forward(const Batch& batch, KvCache& cache, std::vector<float>& logits);

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
