// One transfer to another machine. No text: digests, names, numbers.
// Plain data, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/record.h"

namespace hearth::egress {

struct Record {
  uint64_t seq = 0;                // of all that were ever written, from 1
  int64_t time_ms = 0;             // Unix; when it ended
  std::vector<std::string> hosts;  // "host:port" as asked, then one for each redirect elsewhere
  std::string method;
  int64_t status = 0;   // 0: no answer came
  uint64_t n_sent = 0;  // bytes of heads and bodies, before TLS
  uint64_t n_received = 0;
  std::string cause;     // a request's id, "pull"
  std::string decision;  // its id
  std::string target;
  std::string trust;                 // of the target
  std::vector<std::string> labels;   // of the request
  std::vector<std::string> blocks;   // digests of its texts: half a SHA-256 each
  std::vector<std::string> sources;  // files that they came from, as far as is known
  static void fields(auto& self, auto&& field) {
    field("seq", self.seq);
    field("timeMs", self.time_ms);
    field("hosts", self.hosts);
    field.or_default("method", self.method);
    field("status", self.status);
    field("sent", self.n_sent);
    field("received", self.n_received);
    field("cause", self.cause);
    field.or_default("decision", self.decision);
    field.or_default("target", self.target);
    field.or_default("trust", self.trust);
    field.or_default("labels", self.labels);
    field.or_default("blocks", self.blocks);
    field.or_default("sources", self.sources);
  }
};

}  // namespace hearth::egress
