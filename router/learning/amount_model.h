// What a request will take of something that grows with its size: dollars, milliseconds, tokens.
//
// One line over the request's input and output sizes for each target, by ridge regression on three
// normal equations: a constant that is hardly held back and two slopes that a handful of outcomes
// must speak for. A target that nobody has tried is taken for the average of the others, with their
// whole difference as its spread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "router/decision.h"

namespace hearth::router {

// Not for two threads at once.
class AmountModel {
 public:
  void add_target() { targets_.emplace_back(); }
  // nullopt: no target has been seen yet.
  std::optional<Spread> predict(uint32_t target, double n_input, double n_output) const;
  void learn(uint32_t target, double n_input, double n_output, double amount);

 private:
  using Row = std::array<double, 3>;
  struct Target {
    double n_seen = 0, sum = 0, least = 0, most = 0;
    double squared_error = 0;
    std::array<Row, 3> products{};  // sum of z z'
    Row targets{};                  // sum of z y
    Row line{};                     // solved
  };

  Row features(double n_input, double n_output) const;
  static void solve(Target& target);

  double input_scale_ = 0, output_scale_ = 0;  // of the first outcome
  std::vector<Target> targets_;
};

}  // namespace hearth::router
