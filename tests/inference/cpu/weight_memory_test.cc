#include "backend/cpu/weight_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace hearth::cpu {
namespace {

TEST(WeightMemory, PiecesAreAlignedAndDoNotOverlap) {
  WeightMemory memory;
  const std::vector<size_t> sizes = {1, 64, 65, 100'000, size_t{40} << 20, 7};
  std::vector<std::shared_ptr<std::byte>> pieces;
  for (size_t i = 0; i < sizes.size(); ++i) {
    pieces.push_back(memory.allocate(sizes[i]));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces[i].get()) % 64, 0u);
    std::memset(pieces[i].get(), static_cast<int>(i + 1), sizes[i]);
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(pieces[i].get()[0], std::byte(i + 1));
    EXPECT_EQ(pieces[i].get()[sizes[i] - 1], std::byte(i + 1));
  }
}

TEST(WeightMemory, PiecesOutliveIt) {
  std::shared_ptr<std::byte> piece;
  {
    WeightMemory memory;
    piece = memory.allocate(1000);
  }
  std::memset(piece.get(), 1, 1000);
  EXPECT_EQ(piece.get()[999], std::byte{1});
}

}  // namespace
}  // namespace hearth::cpu
