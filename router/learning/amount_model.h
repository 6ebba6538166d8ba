// What a request will take of something that grows with its size: dollars, milliseconds, tokens.
//
// Each target has a rate: what it takes for a unit of size. What is charged by the token has the
// tokens for its unit, those of the answer counted three times as providers charge them; what is
// waited for has the request. A ridge regression on three normal equations, whose constant is the
// rate and is hardly held back, lets the rate lean on the shares of input and output once some
// outcomes speak for it; fitting the rate rather than the amount keeps one huge request from
// deciding for all small ones. A target that nobody has tried is taken for the average of the
// others, with their whole difference as its spread; one that was tried once may be half off.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "router/decision.h"

namespace hearth::router {

// Not for two threads at once.
class AmountModel {
 public:
  enum class Unit : uint8_t { token, request };

  explicit AmountModel(Unit unit) : unit_(unit) {}

  void add_target() { targets_.emplace_back(); }
  // nullopt: no target has been seen yet.
  std::optional<Spread> predict(uint32_t target, double n_input, double n_output) const;
  void learn(uint32_t target, double n_input, double n_output, double amount);
  // How much more it takes than the others do, as a logarithm; 0 for who was not tried.
  double above_others(uint32_t target) const;

 private:
  using Row = std::array<double, 3>;
  struct Target {
    double n_seen = 0, sum = 0;  // of rates
    double least = 0, most = 0;  // rate
    double squared_error = 0;
    std::array<Row, 3> products{};  // sum of z z'
    Row targets{};                  // sum of z y
    Row line{};                     // solved
  };

  double size_of(double n_input, double n_output) const;
  Row features(double n_input, double n_output) const;
  static void solve(Target& target);
  Spread rate_of_unseen() const;

  const Unit unit_;
  double usual_input_ = 0, usual_output_ = 0;  // of the first outcome that says
  std::vector<Target> targets_;
  std::optional<Spread> unseen_;  // rate of a target that nobody has tried; absent: all
};

}  // namespace hearth::router
