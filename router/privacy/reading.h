// Reads a text for what it says: secrets and excerpts, also behind base64 and hexadecimal digits.
//
// Pure but for DerivedTexts, which has its own synchronisation; for workers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "privacy/derived_texts.h"
#include "privacy/workspace.h"

namespace hearth::router {

// Taken from a labelled file, or (without a path) from an answer to a labelled request.
struct Excerpt {
  std::string path;
  std::vector<std::string> labels;
  bool operator==(const Excerpt&) const = default;
};

struct Reading {
  uint32_t detectors = 0;  // bits of Detector
  std::vector<Excerpt> excerpts;
};

// `own`: secrets that Hearth holds.
Reading read_text(std::string_view text, const Workspace& workspace, const DerivedTexts& derived,
                  const std::vector<std::string>& own = {});

// Texts that this one holds encoded: runs of base64 or hexadecimal digits that decode to letters.
std::vector<std::string> encoded_texts(std::string_view text);

}  // namespace hearth::router
