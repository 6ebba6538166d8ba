// Small GGUF files, each broken in one way, and some odd ones that are well formed.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "support/result.h"

namespace hearth::testing {

struct HostileFile {
  std::string name;  // what is wrong: an identifier
  std::string bytes;
  std::optional<Errc> code;  // how it is refused; nullopt: it opens
  std::string message;       // a part of the error's message

  friend void PrintTo(const HostileFile& file, std::ostream* out) { *out << file.name; }
};

std::vector<HostileFile> hostile_files();

// Keys of every type and two tensors: what the tests cut and flip.
std::string tiny_model();

}  // namespace hearth::testing
