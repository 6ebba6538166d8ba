#include "dialects/dialect.h"

#include <algorithm>

namespace hearth::dialects {

std::span<const Dialect> table() {
  static const std::vector<Dialect> rows = {
      harmony(), minimax(), deepseek_markup(), deepseek(), kimi(),     seed(),   qwen_coder(),
      glm(),     mistral(), granite(),         cohere(),   nemotron(), hermes(), llama(),
  };
  return rows;
}

const Dialect& dialect_of(std::string_view source) {
  for (const Dialect& row : table()) {
    auto occurs = [&](std::string_view text) { return source.find(text) != source.npos; };
    if (std::ranges::all_of(row.evidence, occurs)) return row;
  }
  return generic();
}

const Dialect& generic() {
  static const Dialect dialect = hermes();
  return dialect;
}

}  // namespace hearth::dialects
