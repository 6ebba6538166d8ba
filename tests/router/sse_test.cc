#include "router/providers/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace hearth::router {
namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

// The events of a stream that arrives in pieces of n_bytes.
Events events_of(std::string_view stream, size_t n_bytes = std::string_view::npos) {
  Events events;
  SseParser parser(
      [&](std::string_view event, std::string_view data) { events.emplace_back(event, data); });
  for (size_t at = 0; at < stream.size(); at += std::min(n_bytes, stream.size()))
    EXPECT_TRUE(parser.feed(stream.substr(at, n_bytes)));
  return events;
}

void check(std::string_view stream, const Events& expected) {
  for (size_t n_bytes = 1; n_bytes <= stream.size(); ++n_bytes)
    EXPECT_EQ(events_of(stream, n_bytes), expected)
        << ::testing::PrintToString(stream) << " in " << n_bytes;
}

TEST(Sse, ABlankLineEndsAnEvent) {
  check("data: a\n\ndata: b\n\n", {{"", "a"}, {"", "b"}});
  check("data: a\n\n\n\n\ndata: b\n\n", {{"", "a"}, {"", "b"}});
}

TEST(Sse, LinesEndInAnyOfThreeWays) {
  for (std::string_view end : {"\n", "\r\n", "\r"}) {
    std::string stream;
    for (std::string_view line : {"event: x", "data: a", "data: b", "", "data: c", ""})
      stream.append(line) += end;
    check(stream, {{"x", "a\nb"}, {"", "c"}});
  }
  check("data: a\r\ndata: b\rdata: c\n\r\n", {{"", "a\nb\nc"}});
}

TEST(Sse, DataLinesAreJoined) {
  check("data: a\ndata:\ndata\ndata: b\n\n", {{"", "a\n\n\nb"}});
  check("data\n\n", {{"", ""}});
}

TEST(Sse, OneSpaceAfterTheColonIsNotData) {
  check("data:a\ndata: b\ndata:  c\n\n", {{"", "a\nb\n c"}});
}

TEST(Sse, CommentsAndOtherFieldsAreDropped) {
  check(": keep-alive\n\nid: 7\nretry: 10\nwhat\n\n:\ndata: a\n: b\n\n", {{"", "a"}});
}

TEST(Sse, AnEventNameHoldsForOneEvent) {
  check("event: delta\ndata: a\n\ndata: b\n\nevent: lost\n\ndata: c\n\n",
        {{"delta", "a"}, {"", "b"}, {"", "c"}});
}

TEST(Sse, AByteOrderMarkInFrontIsSkipped) {
  check(
      "\xef\xbb\xbf"
      "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      {{"", "a"}});
}

TEST(Sse, AnEventWithoutItsEndIsNone) {
  check("data: a\n\ndata: b\n", {{"", "a"}});
  check("data: a\n\ndata: b", {{"", "a"}});
}

TEST(Sse, AnySplitGivesTheSameEvents) {
  constexpr std::string_view kPieces[] = {
      "data", ":", " ", "\n", "\r", "\r\n", "event", "a", "\xef\xbb\xbf", "é", "\n\n"};
  std::mt19937 random(20261122);
  for (int i = 0; i < 500; ++i) {
    std::string stream;
    for (size_t n = random() % 40; n > 0; --n) stream += kPieces[random() % std::size(kPieces)];
    check(stream, events_of(stream));
  }
}

TEST(Sse, AnEventIsBounded) {
  for (std::string_view unit : {"a", "data: aaaa\n"}) {
    size_t n_events = 0;
    SseParser parser([&](std::string_view, std::string_view) { ++n_events; }, 100);
    Result<> fed;
    size_t n_bytes = 0;
    for (; fed && n_bytes < 1000; n_bytes += unit.size()) fed = parser.feed(unit);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, Errc::upstream);
    EXPECT_THAT(fed.error().message, ::testing::HasSubstr("longer than 100 bytes"));
    EXPECT_EQ(n_events, 0u);
  }
}

TEST(Sse, TheBoundIsForOneEventAndNotForTheStream) {
  SseParser parser([](std::string_view, std::string_view) {}, 20);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(parser.feed("data: 0123456789\n\n"));
}

}  // namespace
}  // namespace hearth::router
