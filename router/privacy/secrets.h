// Finds secrets by their form: keys, tokens and passwords that somebody pasted, or that lay in a
// file. No dictionary of words, no network; what is not shaped like a secret is not found.
//
// Pure; any thread. About 5 ns for a byte of ordinary code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hearth::router {

// What "detector:NAME" of a label may name; "detector:key" is any of them.
// own_key: what Hearth itself holds, whatever its form; the Labeller knows.
enum class Detector : uint8_t { private_key, api_key, jwt, connection_string, assignment, own_key };

inline constexpr std::string_view kDetectorNames[] = {"private-key",       "api-key",    "jwt",
                                                      "connection-string", "assignment", "own-key"};

struct Secret {
  Detector detector;
  size_t begin = 0, end = 0;  // of the text
};

// In order; at most one of each detector, since a label needs no more.
std::vector<Secret> find_secrets(std::string_view text);

// Whether a key can be looked for as it is: long enough, and not what people write where a server
// wants none ("not-needed", "ollama").
bool is_distinct(std::string_view key);

// The bits of the detectors that a rule ("key", "jwt") means; 0: there is no such detector.
uint32_t detectors_of(std::string_view name);

}  // namespace hearth::router
