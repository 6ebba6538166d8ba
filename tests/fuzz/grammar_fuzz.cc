// A grammar in one of the notations. What is accepted is walked through by bytes that the input
// chooses; it may refuse, never hang, crash or come to a dead end that it let itself into.
#include <cstdint>
#include <cstdlib>

#include "grammar/grammar.h"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto made = data[0] % 3 == 0   ? grammar::Grammar::from_gbnf(text)
              : data[0] % 3 == 1 ? grammar::Grammar::from_regex(text)
                                 : grammar::Grammar::from_json_schema(text);
  if (!made) {
    if (made.error().message.empty()) std::abort();
    return 0;
  }
  grammar::Machine machine((*made)->program());
  grammar::StateId state = machine.start();
  for (size_t i = 0; i < 64 && !machine.configs(state).empty(); ++i) {
    bool can_go_on = machine.accepts(state);
    grammar::StateId chosen = grammar::kDead;
    for (uint32_t k = 0; k < 256; ++k) {
      const grammar::StateId next = machine.step(state, static_cast<uint8_t>(data[i % size] + k));
      if (next != grammar::kDead && chosen == grammar::kDead) chosen = next;
    }
    can_go_on = can_go_on || chosen != grammar::kDead || machine.is_exhausted();
    if (!can_go_on) std::abort();
    state = chosen;
    if (state == grammar::kDead) break;
  }
  return 0;
}
