// An upstream within the simulation: answers on the simulated clock, byte for byte as scripted,
// with every way in which a connection can let one down. Keeps the deadlines of a request as the
// real client does.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "outbound/http_client.h"
#include "support/simulated_clock.h"

namespace hearth::testing {

struct SimulatedAnswer {
  enum class End {
    clean,      // the body is complete
    cut,        // reset, or closed within the body
    silent,     // nothing more comes, the connection stays
    no_server,  // refused, or no such host: nothing was sent
    no_hello,   // connects and says nothing, TLS included: nothing was sent
  };
  struct Part {
    std::chrono::milliseconds after{0};
    std::string bytes;
  };

  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::milliseconds head_after{50};
  bool has_head = true;  // false: it ends (End) before its head
  std::vector<Part> parts;
  End end = End::clean;
};

class SimulatedTransport : public Transport {
 public:
  using Serve = std::function<SimulatedAnswer(const OutboundRequest&)>;
  SimulatedTransport(SimulatedClock& clock, Serve serve)
      : clock_(clock), serve_(std::move(serve)) {}

  Task<Result<OutboundResponse>> fetch(OutboundRequest request, BodySink on_body) override;

 private:
  SimulatedClock& clock_;
  Serve serve_;
};

}  // namespace hearth::testing
