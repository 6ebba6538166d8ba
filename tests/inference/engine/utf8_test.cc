#include "engine/utf8.h"

#include <gtest/gtest.h>

#include <random>

namespace hearth::engine {
namespace {

// All at once, and byte by byte: the same text.
void check(const std::string& input, const std::string& expected) {
  std::string bytes = input, text;
  move_whole_utf8(bytes, text, true);
  EXPECT_EQ(text, expected);
  EXPECT_EQ(bytes, "");
  text.clear();
  for (char byte : input) {
    bytes += byte;
    move_whole_utf8(bytes, text);
    EXPECT_LE(bytes.size(), 3u);
  }
  move_whole_utf8(bytes, text, true);
  EXPECT_EQ(text, expected);
}

TEST(Utf8, KeepsWholeSequences) {
  check("", "");
  check("plain", "plain");
  check("\u00e9\u20ac\U0001f600\U0010ffff", "\u00e9\u20ac\U0001f600\U0010ffff");
}

TEST(Utf8, ReplacesEachMalformedPartOnce) {
  check(
      "a\xff"
      "b",
      "a\ufffd"
      "b");
  check("\xc3(", "\ufffd(");
  check("\xe2\x82", "\ufffd");  // cut off
  check(
      "\xe2\x82"
      "A",
      "\ufffd"
      "A");
  check("\xf0\x9f\x98", "\ufffd");
  check("\xc0\xaf", "\ufffd\ufffd");                      // overlong
  check("\xed\xa0\x80", "\ufffd\ufffd\ufffd");            // a surrogate
  check("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd");  // past U+10FFFF
  check("\x80\x80", "\ufffd\ufffd");
}

TEST(Utf8, HoldsBackWhatMayStillBecomeWhole) {
  std::string bytes = "ab\xf0\x9f\x98", text;
  move_whole_utf8(bytes, text);
  EXPECT_EQ(text, "ab");
  EXPECT_EQ(bytes, "\xf0\x9f\x98");
  bytes += "\x80";
  move_whole_utf8(bytes, text);
  EXPECT_EQ(text, "ab\U0001f600");
}

TEST(Utf8, CuttingAnywhereChangesNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string input;
    for (int i = 0; i < 12; ++i)
      input += static_cast<char>(random() % 4 ? 0x80 + random() % 128 : 'x');
    std::string whole = input, expected;
    move_whole_utf8(whole, expected, true);
    check(input, expected);
  }
}

}  // namespace
}  // namespace hearth::engine
