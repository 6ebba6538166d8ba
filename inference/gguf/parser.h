// Parses the bytes of one GGUF file (one shard of a split model). See reader.h for the promises.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "support/result.h"

namespace hearth::gguf {

// Everything in it borrows from the bytes it was parsed from. Keys and tensor names are unique.
struct Shard {
  std::vector<File::Entry> metadata;
  std::vector<Tensor> tensors;
};

// `name` starts every error message.
Result<Shard> parse_shard(std::string_view name, std::span<const std::byte> bytes);

}  // namespace hearth::gguf
