// A loaded model: checked weights, its plan, and the forward pass for a ragged batch.
//
// forward() runs on the engine thread. Weights may stay in the file's mapping, so the gguf::File
// must outlive the Model, as must the Backend.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cache/kv_cache.h"
#include "gguf/reader.h"
#include "inference/message.h"
#include "models/plan.h"
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
// fall into must have been acquired, with its window part; positions before the batch's own are
// already in the cache.
struct Batch {
  std::span<const BatchRow> rows;
  std::span<const std::vector<PageIndex>> block_tables;
  std::atomic<uint64_t>* beat = nullptr;  // counts up after each layer; null: nobody watches
};

// What a plan needs besides its weights, for planning memory before anything is loaded.
KvShape kv_shape(const ModelPlan& plan, KvElement element);
uint64_t workspace_bytes(const ModelPlan& plan, uint32_t n_rows);  // for batches of up to n_rows

class Model {
 public:
  // Checks every tensor's name, shape and type once, with expected and actual in the message.
  static Result<Model> load(const gguf::File& file, const ModelPlan& plan, Backend& backend);
  static Result<Model> load(const gguf::File& file, Backend& backend);  // plan_of(file) first

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const ModelPlan& plan() const;
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

  // In place of logits what the output matrix would have been multiplied with: n_wanted * width
  // floats. Of encoders, whose positions see what comes after them, a batch holds whole sequences.
  Result<> hidden(const Batch& batch, KvCache& cache, std::vector<float>& out);

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
