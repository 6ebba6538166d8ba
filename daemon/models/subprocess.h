// Runs a program to its end and collects what it wrote. For the command line only: it blocks.
#pragma once

#include <string>
#include <vector>

#include "support/result.h"

namespace hearth::models {

struct ProgramOutput {
  int status = 0;      // exit status; 128 + signal when killed
  std::string out;     // at most max_bytes; the rest is dropped
  std::string errors;  // likewise
};

// arguments[0] is looked up on PATH. stdin is empty. Errors: not_found when there is no such
// program.
Result<ProgramOutput> run_program(const std::vector<std::string>& arguments,
                                  size_t max_bytes = 8u << 20);

}  // namespace hearth::models
