// The transcripts below tests/data/harmony.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "support/test_data.h"

namespace hearth::testing {

// NAME.txt, without the line breaks at its end.
inline std::string transcript(const std::string& name) {
  std::ifstream file(data_path("harmony/" + name + ".txt"));
  if (!file) throw std::runtime_error("no transcript " + name);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace hearth::testing
