// Who is not to be asked just now, and why: breakers, waits that providers ask for, the room that
// accounts have left.
//
// A target that failed several times in a row is left alone for a while, longer each time and never
// for all at the same moment; then one request tries it, and the rest follow when that succeeds. A
// wait that a provider names is kept. A refused key or an empty balance stops all targets of the
// account. Nothing here outlives the process. Lives on the loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inference/failure.h"
#include "router/attempt.h"
#include "router/decision.h"
#include "router/policy.h"
#include "router/standing.h"
#include "support/clock.h"

namespace hearth::router {

class Health {
 public:
  // `random` is uniform in [0, 1). Both outlive this.
  Health(Clock& clock, std::function<double()> random)
      : clock_(clock), random_(std::move(random)) {}

  // When it may be asked again and what keeps it until then; nullopt: now.
  struct Bar {
    Clock::Time until;
    Failure why;  // what it said when it was last asked, the wait as it is now
  };
  // What a request needs of an account's room. `reserve`: a share of it that is not for this one.
  struct Need {
    uint64_t n_tokens = 0;
    double reserve = 0;
  };
  std::optional<Bar> bar(const Target& target, Need need) const;

  // For decide().
  void look(const Target& target, Need need, TargetState& state) const;

  // Around each attempt.
  void begin(const Target& target, uint64_t n_tokens);
  void end(const Target& target, const Attempt& attempt, const Answer& answer);

  // Time to the first word, of the last attempts; nullopt while there are too few.
  std::optional<double> first_word_ms(const Target& target, double quantile) const;
  // Its slowest words come much later than its usual ones, or it is being tried again.
  bool has_heavy_tail(const Target& target) const;

  TargetStanding standing(const Target& target) const;

 private:
  // What a provider said it has left, filling up again until it is full.
  struct Bucket {
    double n_left = 0, n_limit = 0;
    Clock::Time as_of{}, full_at{};
    bool is_known = false;
    double left_at(Clock::Time now) const;
    Clock::Time when_free(double n, Clock::Time now) const;
  };
  struct Record {
    uint32_t n_in_row = 0;  // failures
    std::optional<Clock::Time> open_until;
    std::optional<Failure> why;
    bool is_probing = false;
    uint32_t n_running = 0;
    uint64_t n_attempts = 0, n_failures = 0;
    std::vector<float> first_words;  // a ring
    size_t n_words = 0;
  };
  // What the targets share that a provider counts together: one model of an account, or all of it.
  struct Room {
    Bucket requests, tokens;
  };
  struct Stop {
    uint32_t n_in_row = 0;
    Clock::Time until{};
    std::optional<Failure> why;
  };

  const Record* find(const Target& target) const;
  const Room* room(const Target& target) const;
  std::optional<Bar> bar(const Target& target, const Record* record, Need need) const;
  Clock::Time after(std::chrono::milliseconds base, uint32_t n_doublings,
                    std::chrono::milliseconds most) const;
  void note_failure(Record& record, const Target& target, const Failure& failure);
  void note_room(Bucket& bucket, const RateRoom::Bucket& said) const;

  Clock& clock_;
  std::function<double()> random_;
  std::map<std::string, Record, std::less<>> records_;  // by target and model
  std::map<std::string, Room, std::less<>> rooms_;      // by account, and model where it counts so
  std::map<std::string, Stop, std::less<>> stops_;      // by account
};

}  // namespace hearth::router
