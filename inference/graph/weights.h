// The tensors of a model, found and checked once at load: name, shape and type. After load_weights
// the code trusts them.
//
// Matrices stay where they lie in the file's mapping. Vectors (norms, biases, rope factors) are
// small and copied out as float32, whatever their type in the file.
#pragma once

#include <string>
#include <vector>

#include "backend/cpu/ops.h"
#include "gguf/reader.h"
#include "graph/hparams.h"
#include "models/plan.h"
#include "support/result.h"

namespace hearth {

// A weight matrix with its bias; the bias is empty when the file has none.
struct Linear {
  cpu::Matrix matrix;
  std::vector<float> bias;
};

struct LayerWeights {
  std::vector<float> attn_norm;
  Linear q, k, v, o;
  std::vector<float> q_norm, k_norm;  // (head_dim), when the plan asks for them
  std::vector<float> ffn_norm;
  Linear gate, up, down;
};

struct Weights {
  cpu::Matrix embedding;  // (n_vocab, width)
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;
  cpu::Matrix output;               // (n_vocab, width); the embedding when tied
  std::vector<float> rope_factors;  // (n_rot / 2) divisors of the frequencies, or empty
  std::vector<std::string> unused;  // tensors that the plan does not know: noted, not fatal
};

Result<Weights> load_weights(const gguf::File& file, const HParams& hparams, const ModelPlan& plan);

}  // namespace hearth
