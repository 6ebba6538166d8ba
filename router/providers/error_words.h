// The words in which providers refuse, and what each of them means.
//
// Values of "code", "type", "status" and "reason", and phrases of messages where the code says no
// more than "wrong request". A row that names a provider holds for it alone: numbers mean something
// else to everyone. To teach it a refusal: a row, and the recorded body in
// tests/router/rejection_test.cc.
#pragma once

#include <optional>
#include <string_view>

#include "inference/failure.h"

namespace hearth::router {

struct Meaning {
  Errc code;
  Remedy remedy;
};

std::optional<Meaning> meaning_of_word(std::string_view provider, std::string_view word);
std::optional<Meaning> meaning_of_phrase(std::string_view message);
Meaning meaning_of_status(long status);

}  // namespace hearth::router
