// WebSocket framing against a real server: reliability.md, rows N6, N7, N9, N10.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <future>

#include "daemon/net/test_server.h"

namespace hearth::transport {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNever{3'600'000};

Task<> echo(HttpRequest, WebSocket& socket) {
  for (;;) {
    auto text = co_await socket.receive();
    if (!text) co_return;
    auto reply = std::make_shared<const std::string>(std::move(*text));
    auto sent = co_await socket.send(std::move(reply));
    if (!sent) co_return;
  }
}

Task<> flood(WebSocket& socket, std::promise<void>& ended) {
  auto text = std::make_shared<const std::string>(1 << 20, 'x');
  for (;;) {
    auto sent = co_await socket.send(text);
    if (!sent) break;
  }
  ended.set_value();
}

HttpOptions small_messages() {
  HttpOptions options;
  options.max_message_bytes = 1000;
  options.ws_ping_interval = kNever;
  options.ws_dead_after = kNever;
  options.linger = milliseconds(50);
  return options;
}

class WebSocketTest : public ::testing::Test {
 protected:
  RawClient open(const std::string& headers = "") {
    RawClient client = server_.connect();
    EXPECT_EQ(client.upgrade("/echo", server_.host(), server_.bearer() + headers).status, 101);
    return client;
  }
  void expect_closed(RawClient& client, int code) {
    EXPECT_EQ(client.read_close_code(), code);
    EXPECT_TRUE(client.is_closed_by_peer());
  }

  TestServer server_{[](HttpServer& http) { http.websocket("/echo", echo); }, small_messages()};
};

TEST_F(WebSocketTest, ExchangesText) {
  RawClient client = open();
  client.send_text("hello");
  EXPECT_EQ(client.read_text(), "hello");
  client.send_text("");
  EXPECT_EQ(client.read_frame().payload, "");
  std::string all(1000, 'x');
  client.send_text(all);
  EXPECT_EQ(client.read_text(), all);
}

TEST_F(WebSocketTest, JoinsFragmentsAndAnswersPingsBetweenThem) {
  RawClient client = open();
  client.send_frame(0x01, "one ");
  client.send_frame(0x89, "ping");
  client.send_frame(0x00, "two ");
  client.send_frame(0x80, "three");
  RawFrame pong = client.read_frame();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.payload, "ping");
  EXPECT_EQ(client.read_text(), "one two three");
}

TEST_F(WebSocketTest, RefusesCompression) {
  RawClient client = server_.connect();
  auto response =
      client.upgrade("/echo", server_.host(),
                     server_.bearer() + "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  EXPECT_EQ(response.status, 101);
  EXPECT_FALSE(response.headers.contains("sec-websocket-extensions"));
  client.send_frame(0xc1, "compressed");  // RSV1
  expect_closed(client, 1002);
}

TEST_F(WebSocketTest, RefusesBinaryMessages) {
  RawClient client = open();
  client.send_frame(0x82, "binary");
  expect_closed(client, kCloseUnsupportedData);
}

TEST_F(WebSocketTest, RefusesMessagesAboveTheCap) {
  RawClient client = open();
  client.send_text(std::string(1001, 'x'));
  expect_closed(client, kCloseTooBig);
}

TEST_F(WebSocketTest, CountsTheCapOverFragments) {
  RawClient client = open();
  client.send_frame(0x01, "x");
  for (int i = 0; i < 1000; ++i) client.send_frame(0x00, "x");
  expect_closed(client, kCloseTooBig);
}

TEST_F(WebSocketTest, RefusesALengthBeforeItsBytesCome) {
  for (int top : {0x00, 0x7f, 0x80, 0xff}) {
    RawClient client = open();
    std::string frame = "\x81\xff";
    frame += static_cast<char>(top);
    frame += "\xff\xff\xff\xff\xff\xff\xff";
    client.send(frame + "mask" + "data");
    int code = client.read_close_code();
    EXPECT_TRUE(code == kCloseTooBig || code == 1002) << "top byte " << top << ": " << code;
  }
}

TEST_F(WebSocketTest, RefusesReservedBitsAndOpcodes) {
  for (int first : {0xa1, 0x91, 0xc1, 0x83, 0x87, 0x8b, 0x8f}) {
    RawClient client = open();
    client.send_frame(static_cast<uint8_t>(first), "x");
    expect_closed(client, 1002);
  }
}

TEST_F(WebSocketTest, RefusesUnmaskedFrames) {
  RawClient client = open();
  client.send_frame(0x81, "x", false);
  expect_closed(client, 1002);
}

TEST_F(WebSocketTest, RefusesControlFramesThatAreTooLargeOrFragmented) {
  RawClient large = open();
  large.send_frame(0x89, std::string(126, 'x'));
  expect_closed(large, 1002);
  RawClient fragmented = open();
  fragmented.send_frame(0x09, "x");
  expect_closed(fragmented, 1002);
}

TEST_F(WebSocketTest, RefusesFragmentsOutOfOrder) {
  RawClient orphan = open();
  orphan.send_frame(0x80, "x");
  expect_closed(orphan, 1002);
  RawClient doubled = open();
  doubled.send_frame(0x01, "x");
  doubled.send_frame(0x81, "x");
  expect_closed(doubled, 1002);
}

TEST_F(WebSocketTest, RefusesTextThatIsNotUtf8) {
  for (const char* text : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    RawClient client = open();
    client.send_text(text);
    expect_closed(client, 1007);
  }
}

TEST_F(WebSocketTest, AnswersAGoodbye) {
  RawClient client = open();
  client.send_frame(0x88, std::string("\x03\xe8", 2));
  expect_closed(client, kCloseNormal);
}

TEST_F(WebSocketTest, RefusesAFloodOfPings) {
  RawClient client = open();
  for (int i = 0; i < 2000; ++i)
    if (!client.send_frame(0x89, "")) break;
  EXPECT_EQ(client.read_close_code(), kClosePolicy);
}

TEST_F(WebSocketTest, RefusesFramesBeforeTheHandshakeIsAnswered) {
  RawClient client = server_.connect();
  auto response = client.upgrade("/echo", server_.host(), server_.bearer() + "\r\n\x81\x80mask");
  EXPECT_EQ(response.status, 400);
}

TEST_F(WebSocketTest, RefusesIncompleteHandshakes) {
  RawClient no_key = server_.connect();
  no_key.send("GET /echo HTTP/1.1\r\nHost: " + server_.host() + "\r\n" + server_.bearer() +
              "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_EQ(no_key.read_response().status, 400);
  RawClient old_version = server_.connect();
  old_version.send("GET /echo HTTP/1.1\r\nHost: " + server_.host() + "\r\n" + server_.bearer() +
                   "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_EQ(old_version.read_response().status, 426);
}

TEST_F(WebSocketTest, SaysThatTheDaemonRestarts) {
  RawClient client = open();
  client.send_text("x");
  EXPECT_EQ(client.read_text(), "x");
  server_.stop(milliseconds(1000));
  expect_closed(client, kCloseRestart);
}

TEST(WebSocketHeartbeat, PingsAndGivesUpAPeerThatIsSilent) {
  HttpOptions options;
  options.ws_ping_interval = milliseconds(10);
  options.ws_dead_after = milliseconds(1000);  // after many pings, also on a busy machine
  TestServer server([](HttpServer& http) { http.websocket("/echo", echo); }, options);
  RawClient client = server.connect();
  ASSERT_EQ(client.upgrade("/echo", server.host(), server.bearer()).status, 101);
  EXPECT_EQ(client.read_frame().opcode, 9);
  EXPECT_TRUE(client.is_closed_by_peer()) << "no pong came";
}

TEST(WebSocketHeartbeat, KeepsAPeerThatAnswers) {
  HttpOptions options;
  options.ws_ping_interval = milliseconds(10);
  options.ws_dead_after = milliseconds(3000);
  TestServer server([](HttpServer& http) { http.websocket("/echo", echo); }, options);
  RawClient client = server.connect();
  ASSERT_EQ(client.upgrade("/echo", server.host(), server.bearer()).status, 101);
  for (int i = 0; i < 20; ++i) {
    RawFrame frame = client.read_frame();
    ASSERT_EQ(frame.opcode, 9);
    client.send_frame(0x8a, frame.payload);
  }
  client.send_text("still here");
  EXPECT_EQ(client.read_text(), "still here");
}

TEST(WebSocketHeartbeat, CutsAClientThatStopsReading) {
  HttpOptions options;
  options.ws_ping_interval = milliseconds(10);
  options.ws_dead_after = kNever;
  options.write_deadline = milliseconds(30);
  std::promise<void> ended;
  TestServer server(
      [&](HttpServer& http) {
        http.websocket("/flood",
                       [&](HttpRequest, WebSocket& socket) { return flood(socket, ended); });
      },
      options);
  RawClient client = server.connect();
  ASSERT_EQ(client.upgrade("/flood", server.host(), server.bearer()).status, 101);
  ended.get_future().get();
  SUCCEED() << "the sender was released";
}

}  // namespace
}  // namespace hearth::transport
