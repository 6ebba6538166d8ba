// The keys of one architecture, as a family's file reads them.
//
// The first error is kept and everything after it gives harmless values, so that a list of keys
// reads as a list; plan_of() asks for the error at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gguf/reader.h"
#include "support/result.h"

namespace hearth {

class Metadata {
 public:
  // Far above any model known, far below where the product of three sizes leaves 64 bits.
  static constexpr uint64_t kMaxLayers = 4096;
  static constexpr uint64_t kMaxContext = 1u << 30;
  static constexpr uint64_t kMaxWidth = 1u << 20;
  static constexpr uint64_t kMaxHeads = 1u << 14;
  static constexpr uint64_t kMaxHeadDim = 1u << 12;
  static constexpr uint64_t kMaxFeedForward = 1u << 22;
  static constexpr uint64_t kMaxExperts = 1u << 14;
  static constexpr uint64_t kMaxVocabulary = 1u << 24;

  explicit Metadata(const gguf::File& file) : file_(file), prefix_(file.architecture()) {}

  const gguf::File& file() const { return file_; }
  const std::optional<Error>& error() const { return error_; }
  void fail(Errc code, std::string_view key, std::string_view what);
  void fail_tensor(std::string_view name, std::string_view what);  // corrupt

  // Names are without the architecture: "attention.head_count".
  bool has(std::string_view key) const;
  bool has_tensor(std::string_view name) const { return file_.find_tensor(name) != nullptr; }

  // From here on per-layer arrays give their element for this layer.
  void at_layer(size_t layer) { layer_ = layer; }

  // Between 1 and max. A per-layer array counts when all its elements are equal.
  uint32_t size(std::string_view key, uint64_t max);
  uint32_t size_or(std::string_view key, uint64_t fallback, uint64_t max);
  // Between 0 and max.
  uint32_t count_or(std::string_view key, uint64_t fallback, uint64_t max);
  // A finite number that float32 holds.
  float number_or(std::string_view key, double fallback);
  float positive_or(std::string_view key, double fallback);
  bool flag_or(std::string_view key, bool fallback);
  std::string_view string_or(std::string_view key, std::string_view fallback);

  // Whether layer `layer` is marked: by its element of an array, or, when the key is a number n or
  // missing (then `period`), by not being the last of its n.
  bool is_marked(std::string_view key, size_t layer, uint32_t period);
  // Element of an array of numbers that belongs to `layer`; the key has no architecture before it.
  float layer_number(std::string_view whole_key, size_t layer);

 private:
  std::string full(std::string_view key) const;
  std::optional<uint64_t> integer(std::string_view key);
  std::optional<uint64_t> uniform(std::string_view key, const gguf::Value& array);

  const gguf::File& file_;
  std::string_view prefix_;
  std::optional<size_t> layer_;
  std::optional<Error> error_;
};

}  // namespace hearth
