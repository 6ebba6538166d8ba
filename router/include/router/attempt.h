// One attempt to have a request answered by one target: what is known of it while it runs, and what
// is written down of it afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "inference/completion.h"
#include "support/record.h"

namespace hearth::router {

// How far counts can be relied on: said by who counted; said, but they do not add up or are absurd;
// made up from sizes, since nobody said.
enum class UsageBasis : uint8_t { reported, unverified, estimated };

// Room that an account has left, as its provider states it. Absent: nothing was said.
struct RateRoom {
  struct Bucket {
    std::optional<uint64_t> n_left, n_limit;
    std::optional<std::chrono::milliseconds> full_in;  // until all of the limit is free again
    bool is_stated() const { return n_left.has_value(); }
  };
  Bucket requests, tokens;
};

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::UsageBasis> {
  using B = router::UsageBasis;
  static constexpr std::pair<B, std::string_view> names[] = {
      {B::reported, "reported"}, {B::unverified, "unverified"}, {B::estimated, "estimated"}};
};
}  // namespace hearth

namespace hearth::router {

// Filled while the attempt runs, so that it is true also when the task is cancelled.
struct Attempt {
  bool is_sent = false;     // the whole request: from then on it may be billed
  bool is_refused = false;  // the provider answered with an error in place of an answer: unbilled
  bool has_spoken = false;  // a first word came, a thought and a call included
  std::optional<Usage> usage;               // as far as the provider counted
  UsageBasis basis = UsageBasis::reported;  // of usage
  std::optional<double> cost_usd;           // as the provider states it
  uint64_t n_answer_bytes = 0;              // of what was heard
  std::optional<double> first_word_ms;      // since the attempt began
  RateRoom room;
};

// For the log.
struct AttemptRecord {
  std::string target, endpoint;  // endpoint: of a pool, else ""
  std::string provider, model;   // provider "hearth": this machine's engine
  std::optional<Effort> effort;  // that it was asked for
  uint32_t number = 1;           // of this request
  bool is_hedge = false;         // a second leg
  std::optional<Errc> failed_as;
  std::string word;  // the provider's own, of a failure
  long http_status = 0;
  double total_ms = 0;
  std::optional<double> first_word_ms;
  Usage usage;  // what it may be billed for
  UsageBasis basis = UsageBasis::reported;
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field.or_default("endpoint", self.endpoint);
    field.or_default("provider", self.provider);
    field.or_default("model", self.model);
    field("effort", self.effort);
    field("number", self.number);
    field.or_default("hedge", self.is_hedge);
    field("failedAs", self.failed_as);
    field.or_default("word", self.word);
    field.or_default("httpStatus", self.http_status);
    field("totalMs", self.total_ms);
    field("firstWordMs", self.first_word_ms);
    field("usage", self.usage);
    field("basis", self.basis);
  }
};

}  // namespace hearth::router
