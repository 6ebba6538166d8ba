// Runs a program to its end and collects what it wrote. For the command line only: it blocks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/result.h"

namespace hearth::models {

struct ProgramOutput {
  int status = 0;      // exit status; 128 + signal when killed
  std::string out;     // at most max_bytes; the rest is dropped
  std::string errors;  // likewise
};

struct ProgramOptions {
  size_t max_bytes = 8u << 20;
  std::vector<std::string> environment;  // "NAME=value", beside what child_environment() passes on
  std::function<void()> meanwhile;       // called a few times a second while it runs
};

// arguments[0] is looked up on PATH. stdin is empty. Errors: not_found when there is no such
// program.
Result<ProgramOutput> run_program(const std::vector<std::string>& arguments,
                                  const ProgramOptions& options = {});

}  // namespace hearth::models
