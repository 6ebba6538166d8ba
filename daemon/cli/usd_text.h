// Sums of money for people.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace hearth::cli {

// Cents, and of what is less the first two digits: 12.30, 0.50, 0.0012.
inline std::string usd_text(double usd) {
  const double size = std::abs(usd);
  if (size < 1e-12) return "0.00";
  const int n_digits = 1 - static_cast<int>(std::floor(std::log10(size)));
  return fmt::format("{:.{}f}", usd, std::clamp(n_digits, 2, 12));
}

}  // namespace hearth::cli
