// A complete model file in a few hundred kilobytes: random weights, a byte-level vocabulary,
// ChatML.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inference/graph/model_image.h"

namespace hearth::testing {

// Tokens 0-255 are the bytes, "the" is one more, then the special ones.
inline constexpr int kThe = 256, kStart = 257, kEnd = 258, kThink = 259, kUnthink = 260;
inline constexpr uint32_t kTinyVocab = 261;

// Greedy answers of it are ASCII letters in no particular order; a longer context costs nothing but
// KV pages.
ModelImage tiny_model(uint32_t n_context = 2048, uint32_t seed = 1);

// Keys of its vocabulary alone.
void add_vocabulary(ModelImage& image);

// A folder of its own below the test's temporary folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

}  // namespace hearth::testing
