// Regular expressions as JSON Schema (ECMA 262) and vLLM's guided_regex have them: what is regular
// of them. Back references, look-around, word boundaries and flags are refused by name.
#pragma once

#include <string_view>

#include "grammar/dfa.h"
#include "grammar/rules.h"
#include "support/result.h"

namespace hearth::grammar {

// How much of a text an expression has to match.
enum class Match : uint8_t { whole, part };

// As characters of the text. `part`: with anything before and behind, but for what ^ and $ exclude.
Result<Expr> parse_regex(Rules& rules, std::string_view pattern, Match match);

// The same as an automaton of its own.
Result<Dfa> dfa_of_regex(std::string_view pattern, Match match);

}  // namespace hearth::grammar
