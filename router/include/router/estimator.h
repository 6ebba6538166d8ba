// What a target will make of a request, learned from what came of earlier ones: its quality, its
// cost, its time. Serving and `hearth route simulate` use this one.
//
//   Estimator::Look look = estimator.look(terms);
//   state.belief = estimator.belief("sonnet", look);     // goes into decide() with the state
//   ...
//   estimator.learn("sonnet", look, {.quality = 1, .cost_usd = 0.012});
//
// Nothing is asked of the network, no text is kept. Lives on one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/decision.h"
#include "router/terms.h"

namespace hearth::router {

// What came of a request, as far as it is known.
struct Outcome {
  std::optional<double> quality;  // 0..1
  std::optional<double> cost_usd;
  std::optional<double> latency_ms;
  std::optional<double> n_output{};  // tokens
};

class Estimator {
 public:
  // A request as the estimator sees it, words weighed by how rare they are among those met so far.
  struct Look {
    std::shared_ptr<const std::vector<Term>> vector;
    double n_input = 0, n_output = 0;
  };

  // Memory: about 2 KB for each outcome remembered, 0.6 MB for each target.
  explicit Estimator(size_t max_outcomes = 4096);
  ~Estimator();

  // Counts the words of a request that will be asked about; once for each request.
  void meet(const Terms& terms);
  Look look(const Terms& terms) const;
  // A target that is not known yet becomes so. Quality, the dearest part, is left out when it is
  // not asked for.
  Belief belief(std::string_view target, const Look& look, bool with_quality = true);
  void learn(std::string_view target, const Look& look, const Outcome& outcome);
  // After many outcomes at once: works them in until nothing changes much.
  void settle();

 private:
  struct Models;
  uint32_t index_of(std::string_view target);

  std::vector<uint32_t> n_met_with_;  // requests that held a slot's word
  uint64_t n_met_ = 0;
  // Of the logarithms of sizes met so far.
  struct Scale {
    double n = 0, mean = 0, squares = 0;
    void add(double size);
    float position(double size) const;
  };
  Scale input_, output_;
  std::map<std::string, uint32_t, std::less<>> targets_;
  std::unique_ptr<Models> models_;
};

}  // namespace hearth::router
