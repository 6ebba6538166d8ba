// turn/*: one exchange, from the user's input to the session being idle again.
// Plain data, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "inference/message.h"
#include "support/record.h"

namespace hearth::protocol {

struct TurnStart {
  std::string session;
  std::string idempotency_key;  // a resent start with the same key returns the first result
  std::vector<Block> input;
  std::optional<std::string> model;  // absent: the router chooses
  uint32_t max_tokens = 0;           // 0: up to the context
  Sampling sampling;                 // its fields lie beside these: temperature, seed, ...
  std::vector<std::string> stop;
  RawJson template_variables;
  bool ignore_eos = false;  // go on to max_tokens
  static void fields(auto& self, auto&& field) {
    field("session", self.session);
    field("idempotencyKey", self.idempotency_key);
    field("input", self.input);
    field("model", self.model);
    field.or_default("maxTokens", self.max_tokens);
    std::remove_cvref_t<decltype(self.sampling)>::fields(self.sampling, field);
    field("stop", self.stop);
    field("templateVariables", self.template_variables);
    field.or_default("ignoreEos", self.ignore_eos);
  }
};

// Sent when the user's message is on disk.
struct TurnStarted {
  std::string turn;
  std::string message;  // the user's
  uint64_t seq = 0;     // of that message
  static void fields(auto& self, auto&& field) {
    field("turn", self.turn);
    field("message", self.message);
    field("seq", self.seq);
  }
};

struct TurnInterrupt {
  std::string session;
  std::optional<std::string> turn;  // absent: whichever runs
  static void fields(auto& self, auto&& field) {
    field("session", self.session);
    field("turn", self.turn);
  }
};

struct TurnInterrupted {
  bool was_running = false;
  static void fields(auto& self, auto&& field) { field("wasRunning", self.was_running); }
};

}  // namespace hearth::protocol
