// What a model file contains, for `hearth dev inspect`.
#pragma once

#include <string>

#include "gguf/reader.h"

namespace hearth::gguf {

// For people: metadata with long texts and arrays cut, tensors, totals per type. Printable ASCII
// and newlines only, whatever the file says.
std::string inspect_text(const File& file);

// For programs, in full: {"path", "sizeBytes", "architecture", "metadata": {key: value},
// "tensors": [{"name", "shape", "type", "bytes"}], "types": [{"type", "tensors", "elements",
// "bytes"}]}. Text that is not UTF-8 has \xNN for its other bytes; a number that is not finite is
// null.
std::string inspect_json(const File& file);

}  // namespace hearth::gguf
