// Models in several files, named NAME-00001-of-0000N.gguf.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::gguf {

struct SplitName {
  std::string prefix;  // with the folder, without "-0000i-of-0000N.gguf"
  size_t number = 1;   // from 1
  size_t count = 1;
};

// nullopt for a name of another form.
std::optional<SplitName> parse_split_name(std::string_view path);

std::string shard_path(const SplitName& name, size_t number);

}  // namespace hearth::gguf
