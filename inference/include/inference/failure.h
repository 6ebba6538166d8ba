// Why a request was not answered: the error, and what those who come after need to know of it.
//
// Wires state the speaker and the numbers; failover and breakers act on the remedy. Plain data, any
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "support/record.h"
#include "support/result.h"

namespace hearth {

// What may help. One of these for each failure, whoever it comes from.
enum class Remedy : uint8_t {
  retry_same,      // a hiccup: the same request may work at once
  retry_after,     // too many requests, too much load: later, here
  other_target,    // not here
  shrink_context,  // nowhere unless it becomes smaller
  stop_account,    // key, balance or quota: nothing works here until a person acts
  stop_request,    // the request itself is wrong, or withdrawn
};

constexpr Remedy remedy_of(Errc code) {
  switch (code) {
    case Errc::busy: return Remedy::retry_after;
    case Errc::timeout:
    case Errc::upstream: return Remedy::retry_same;
    case Errc::context_exceeded: return Remedy::shrink_context;
    case Errc::over_budget: return Remedy::stop_account;
    case Errc::corrupt:
    case Errc::io:
    case Errc::not_found:
    case Errc::unsupported: return Remedy::other_target;
    case Errc::invalid:
    case Errc::denied:
    case Errc::cancelled:
    case Errc::internal: break;
  }
  return Remedy::stop_request;
}

inline constexpr std::string_view kHearth = "hearth";

struct Failure : Error {
  Failure(Error error) : Error(std::move(error)), remedy(remedy_of(code)) {}

  std::string speaker = std::string(kHearth);  // else the provider whose failure it is
  long http_status = 0;                        // the provider's; 0: it gave none
  std::string word;  // a more exact code in the speaker's vocabulary, or ""
  Remedy remedy;
  std::optional<std::chrono::seconds> retry_after;  // as the speaker asks
  uint32_t n_prompt = 0, n_context = 0;             // context_exceeded, where they are known

  bool is_ours() const { return speaker == kHearth; }
};

template <>
struct EnumNames<Remedy> {
  static constexpr std::pair<Remedy, std::string_view> names[] = {
      {Remedy::retry_same, "retry-same"},     {Remedy::retry_after, "retry-after"},
      {Remedy::other_target, "other-target"}, {Remedy::shrink_context, "shrink-context"},
      {Remedy::stop_account, "stop-account"}, {Remedy::stop_request, "stop-request"},
  };
};

}  // namespace hearth
