// Several servers of one model as one target (kind = "pool"): which of them a request tries first.
//
// A conversation stays where its cache is: of all servers the one with the highest hash of
// conversation and address, so that one that comes or goes moves only its own share. It goes
// elsewhere only when that one has clearly more to do than the least busy, or no room for its keys
// and values. What they have to do they say themselves (/metrics of vLLM, SGLang and what stands on
// them); figures that are old count less than what we have sent since, and no server is ever waited
// for: a request finds what the last look left, and causes the next. Lives on the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/policy.h"
#include "support/clock.h"

namespace hearth::router {

// What a server publishes of itself.
struct PoolFigures {
  double n_running = 0, n_waiting = 0;  // requests
  double cache_use = 0;                 // of its keys and values, 0..1
  std::optional<double> hit_rate;       // of its prefix cache, 0..1
};

// Prometheus text; nullopt when it holds none of the figures. Values that make no sense are passed
// over, text past the first MiB too.
std::optional<PoolFigures> read_figures(std::string_view text);

class Pools {
 public:
  explicit Pools(Clock& clock) : clock_(clock) {}

  // All endpoints, in the order in which this request should try them. `affinity` is "" for what is
  // asked once: the least busy is first.
  std::vector<std::string> order(const Target& pool, std::string_view affinity) const;

  // Around each attempt.
  void begin(const std::string& endpoint) { ++loads_[endpoint].n_ours; }
  void end(const std::string& endpoint);

  // Whether it is time for another look, which is then under way until noted.
  bool wants_look(const std::string& endpoint);
  void note(const std::string& endpoint, std::optional<PoolFigures> figures);

  // nullopt when they are unknown or old.
  std::optional<PoolFigures> figures(const std::string& endpoint) const;

 private:
  struct Load {
    PoolFigures figures;
    std::optional<Clock::Time> seen_at, looked_at;
    bool is_looking = false;
    uint32_t n_ours = 0;       // under way from here
    uint32_t n_ours_then = 0;  // when the figures were read
  };
  double busyness(const std::string& endpoint) const;

  Clock& clock_;
  std::map<std::string, Load, std::less<>> loads_;
};

}  // namespace hearth::router
