// An excerpt is found however it was dressed, and what was not taken from a file is not.
#include "privacy/shingles.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "privacy/reading.h"

namespace hearth::router {
namespace {

const std::string kFile = R"(#include "billing/ledger.h"

// Monthly close: what is open is carried over at the rate of the day.
Money Ledger::close_month(const Calendar& calendar, Rate rate) {
  Money carried;
  for (const Entry& entry : open_entries_) {
    if (entry.due > calendar.last_business_day()) continue;
    carried += entry.amount * rate.of(entry.currency) - entry.discount;
  }
  journal_.append({"close", calendar.month(), carried, "approved by naïve Zoë"});
  return carried;
}
)";

class Shingles : public ::testing::Test {
 protected:
  Shingles() {
    std::vector<ShingleIndex::Entry> entries;
    for (Fingerprint key : fingerprints_of(kFile)) entries.push_back({key, 7});
    index = ShingleIndex(std::move(entries));
  }
  bool knows(std::string_view text) const { return !index.owners_of(lookups_of(text)).empty(); }

  ShingleIndex index;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (char c : text)
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  return lines;
}

std::string json_escaped(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '"' || c == '\\')
      (out += '\\') += c;
    else
      out += c;
  return out;
}

std::string ascii_only(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80)
      out += text[i];
    else
      out += fmt::format("\\u{:04x}",
                         (c & 0x1f) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
  }
  return out;
}

std::string url_encoded(const std::string& text) {
  std::string out;
  for (unsigned char c : text)
    if (std::isalnum(c))
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  return out;
}

std::string base64(const std::string& text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int n_bits = 0;
  for (unsigned char c : text) {
    bits = bits << 8 | c;
    for (n_bits += 8; n_bits >= 6; n_bits -= 6) out += kDigits[bits >> (n_bits - 6) & 63];
  }
  return out;
}

TEST_F(Shingles, ThreeLinesInEveryDress) {
  const std::vector<std::string> lines = lines_of(kFile);
  const std::string excerpt = lines[5] + "\n" + lines[6] + "\n" + lines[7] + "\n";
  std::string numbered, arrows, listed, diffed, quoted, squeezed, coloured;
  for (size_t i = 5; i < 8; ++i) {
    numbered += fmt::format("{:6}\t{}\n", i + 1, lines[i]);
    arrows += fmt::format("{:6}→{}\n", i + 1, lines[i]);
    listed += fmt::format("src/billing/ledger.cc:{}:{}\n", i + 1, lines[i]);
    diffed += fmt::format("-{}\n", lines[i]);
    quoted += fmt::format("> {}\n", lines[i]);
    squeezed += lines[i].substr(lines[i].find_first_not_of(' ')) + " ";
    coloured += fmt::format("\x1b[31m{}\x1b[0m\r\n", lines[i]);
  }
  std::string html = excerpt;
  for (size_t at = 0; (at = html.find('<', at)) != html.npos;) html.replace(at, 1, "&lt;");
  for (const std::string& text :
       {excerpt, numbered, arrows, listed, diffed, quoted, squeezed, coloured, html,
        json_escaped(excerpt), json_escaped(json_escaped(excerpt)), json_escaped(numbered),
        url_encoded(excerpt), "Look at this:\n```cpp\n" + excerpt + "```\nWhat is wrong?"})
    EXPECT_TRUE(knows(text)) << text;
}

TEST_F(Shingles, EveryPlaceOfTheFileCounts) {
  // From every letter on, as many letters and digits as are promised.
  const std::string letters = normal_text(kFile).letters;
  for (size_t at = 0; at + kMinMatch <= letters.size(); ++at)
    EXPECT_TRUE(knows("zq " + letters.substr(at, kMinMatch) + " qz")) << at;
}

TEST_F(Shingles, LettersBeyondAsciiAreLetters) {
  const std::string line = lines_of(kFile)[9];
  EXPECT_TRUE(knows(line));
  EXPECT_TRUE(knows(ascii_only(json_escaped(line))));
  EXPECT_FALSE(knows("journal append close calendar approved by someone else entirely, not her"));
}

TEST_F(Shingles, OtherTextIsNotTaken) {
  EXPECT_FALSE(knows("for (const Entry& e : entries) total += e.amount;"));
  EXPECT_FALSE(knows("How do I close a month in a ledger?"));
  EXPECT_FALSE(knows(""));
  std::mt19937 dice(3);
  std::string words;
  for (int i = 0; i < 50'000; ++i) words += fmt::format("{:x} ", dice() % 65536);
  EXPECT_FALSE(knows(words));
}

TEST_F(Shingles, AShortFileIsKnownWhole) {
  const std::string file =
      "the launch is on the ninth of May, at dawn";  // fewer than kMinMatch letters
  std::vector<ShingleIndex::Entry> entries;
  for (Fingerprint key : fingerprints_of(file)) entries.push_back({key, 1});
  index = ShingleIndex(std::move(entries));
  EXPECT_TRUE(knows("You said \"" + file + "\", did you?"));
}

TEST_F(Shingles, ADistinctiveWordIsEnough) {
  std::vector<ShingleIndex::Entry> entries;
  for (Fingerprint key :
       fingerprints_of("id: CANARY_8f3a9c2b1d77\nuse: 550e8400-e29b-41d4-a716-446655440000"))
    entries.push_back({key, 1});
  index = ShingleIndex(std::move(entries));
  EXPECT_TRUE(knows("what is canary_8f3a9c2b1d77?"));
  EXPECT_TRUE(knows("{\"q\":\"\\n550e8400-e29b-41d4-a716-446655440000\"}"));
  EXPECT_FALSE(knows("sha256_x86_64_avx2 and copyright-2024-someone and utf8_to_utf16_le"));
}

TEST_F(Shingles, WhatManyFilesHoldIsNobodys) {
  std::vector<ShingleIndex::Entry> entries;
  const std::string header =
      "import { createStore, combineReducers, applyMiddleware } from 'redux';";
  for (uint32_t owner = 0; owner <= kMaxFiles; ++owner)
    for (Fingerprint key :
         fingerprints_of(header + fmt::format(" file number {} has a text", owner)))
      entries.push_back({key, owner});
  index = ShingleIndex(std::move(entries));
  EXPECT_FALSE(knows(header));
  EXPECT_TRUE(knows(header + " file number 3 has a text"));
}

TEST_F(Shingles, LicenceNoticesAreNobodys) {
  const std::string notice =
      "// Licensed under the Apache License, Version 2.0 (the \"License\");\n"
      "// you may not use this file except in compliance with the License.\n";
  std::vector<ShingleIndex::Entry> entries;
  for (Fingerprint key : fingerprints_of(notice + kFile)) entries.push_back({key, 1});
  index = ShingleIndex(std::move(entries));
  EXPECT_FALSE(knows("# " + notice + "print('hello')\n"));
  EXPECT_TRUE(knows(kFile.substr(0, 200)));
}

TEST(Encoded, TextBehindBase64AndHexIsRead) {
  const std::string excerpt = kFile.substr(30, 200);
  std::string hex;
  for (unsigned char c : excerpt) hex += fmt::format("{:02x}", c);
  EXPECT_THAT(encoded_texts("data:text/plain;base64," + base64(excerpt)),
              ::testing::Contains(::testing::HasSubstr("Monthly close")));
  EXPECT_THAT(encoded_texts("x " + base64(excerpt).substr(2) + " y"),
              ::testing::Contains(::testing::HasSubstr("carried over")));
  EXPECT_THAT(encoded_texts(hex), ::testing::Contains(::testing::HasSubstr("Monthly close")));
  std::string noise;
  std::mt19937 dice(5);
  for (int i = 0; i < 4000; ++i) noise += static_cast<char>(dice());
  EXPECT_TRUE(encoded_texts(base64(noise)).empty()) << "an image";
}

TEST(ShingleIndex, OwnersComeOnceInOrder) {
  const ShingleIndex index({{5, 2}, {5, 1}, {9, 1}, {5, 2}, {~0ull, 3}});
  EXPECT_EQ(index.owners_of({9, 5, 5}), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(index.owners_of({~0ull}), (std::vector<uint32_t>{3}));
  EXPECT_TRUE(index.owners_of({0, 1, 2}).empty());
  EXPECT_TRUE(ShingleIndex().owners_of({1}).empty());
}

}  // namespace
}  // namespace hearth::router
