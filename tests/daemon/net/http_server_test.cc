// What the server does with requests, right and wrong: reliability.md, rows N3, N5, N8, A1.
#include "net/http_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/net/test_server.h"

namespace hearth::transport {
namespace {

using ::testing::HasSubstr;

Task<> echo(HttpRequest request, HttpResponder& responder) {
  std::string body = request.method + " " + request.path + "?" + request.query + " " + request.body;
  (void)co_await responder.respond(200, "text/plain", std::move(body));
}

Task<> name_session(HttpRequest request, HttpResponder& responder) {
  std::string name(request.header("x-session-id").value_or(""));
  (void)co_await responder.respond(200, "text/plain", std::move(name));
}

Task<> count_down(HttpRequest, HttpResponder& responder) {
  (void)responder.begin_stream(200, "text/event-stream");
  for (const char* chunk : {"three ", "two "}) (void)co_await responder.write(chunk);
  (void)co_await responder.end("one");
}

Task<> give_no_answer(HttpRequest, HttpResponder&) { co_return; }

Task<> throw_up(HttpRequest, HttpResponder&) {
  throw std::runtime_error("a mistake");
  co_return;
}

Task<> stop_half_way(HttpRequest, HttpResponder& responder) {
  (void)responder.begin_stream(200, "text/plain");
  (void)co_await responder.write("half");
}

Task<> answer_twice(HttpRequest, HttpResponder& responder) {
  (void)co_await responder.respond(200, "text/plain", "first");
  auto second = co_await responder.respond(200, "text/plain", "second");
  EXPECT_FALSE(second);
}

void add_routes(HttpServer& server) {
  server.route("POST", "/echo", echo);
  server.route("GET", "/echo", echo);
  server.route("GET", "/session", name_session);
  server.route("GET", "/count", count_down);
  server.route("GET", "/silent", give_no_answer);
  server.route("GET", "/throws", throw_up);
  server.route("GET", "/half", stop_half_way);
  server.route("GET", "/twice", answer_twice);
  server.websocket("/socket", [](HttpRequest, WebSocket&) -> Task<> { co_return; });
}

class HttpServerTest : public ::testing::Test {
 protected:
  // The connection must be over after a refusal: nobody knows where the next request starts.
  void expect_refused(const std::string& bytes, int status) {
    RawClient client = server_.connect();
    client.send(bytes);
    RawResponse response = client.read_response();
    EXPECT_EQ(response.status, status) << bytes.substr(0, 200) << "\n" << response.body;
    EXPECT_EQ(response.headers["connection"], "close");
    EXPECT_THAT(response.body, HasSubstr("\"error\":{\"message\":"));
    EXPECT_TRUE(client.is_closed_by_peer());
  }
  // A POST to /echo with `framing` header lines and raw bytes behind the head.
  std::string post(const std::string& framing, const std::string& bytes) {
    return server_.request("POST", "/echo", framing) + bytes;
  }

  TestServer server_{add_routes};
};

TEST_F(HttpServerTest, HandsTheRequestToItsRoute) {
  auto response = server_.exchange(server_.request("POST", "/echo?a=1&b=2", "", "hello"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["content-type"], "text/plain");
  EXPECT_EQ(response.body, "POST /echo?a=1&b=2 hello");
}

// They go into records that are JSON.
TEST_F(HttpServerTest, HeadersAreUtf8OrLatin1) {
  auto session = [&](std::string_view name) {
    return server_
        .exchange(server_.request("GET", "/session", fmt::format("X-Session-Id: {}\r\n", name)))
        .body;
  };
  EXPECT_EQ(session("w\xc3\xb6rk"), "w\xc3\xb6rk");
  EXPECT_EQ(session("w\xf6rk \xff"), "w\xc3\xb6rk \xc3\xbf");
  EXPECT_EQ(percent_decoded("a%2Fb%zz%f6"), "a/b%zz\xc3\xb6");
}

TEST_F(HttpServerTest, StreamsInChunks) {
  auto response = server_.exchange(server_.request("GET", "/count"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["transfer-encoding"], "chunked");
  EXPECT_TRUE(response.is_whole);
  EXPECT_EQ(response.body, "three two one");
}

TEST_F(HttpServerTest, KeepsTheConnectionForTheNextRequest) {
  RawClient client = server_.connect();
  for (int i = 0; i < 3; ++i) {
    client.send(server_.request("GET", i == 1 ? "/count" : "/echo"));
    EXPECT_EQ(client.read_response().status, 200);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  RawClient client = server_.connect();
  std::string all;
  for (int i = 0; i < 50; ++i)
    all += server_.request("POST", "/echo?" + std::to_string(i), "", "body");
  client.send(all);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(client.read_response().body, "POST /echo?" + std::to_string(i) + " body");
}

TEST_F(HttpServerTest, ReadsARequestThatArrivesByteByByte) {
  RawClient client = server_.connect();
  for (char byte : post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"))
    client.send(std::string(1, byte));
  EXPECT_EQ(client.read_response().body, "POST /echo? abcde");
}

TEST_F(HttpServerTest, AsksForTheBodyWhenTheClientWaitsForThat) {
  RawClient client = server_.connect();
  client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
  EXPECT_EQ(client.read_response().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read_response().body, "POST /echo? hello");
}

TEST_F(HttpServerTest, ClosesWhenTheClientAsksForIt) {
  RawClient client = server_.connect();
  client.send(server_.request("GET", "/echo", "Connection: close\r\n"));
  auto response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_TRUE(client.is_closed_by_peer());
}

TEST_F(HttpServerTest, EndsAStreamToAnOldClientWithTheConnection) {
  RawClient client = server_.connect();
  client.send("GET /count HTTP/1.0\r\nHost: " + server_.host() + "\r\n" + server_.bearer() +
              "\r\n");
  std::string all = client.read_to_end();
  EXPECT_THAT(all, ::testing::EndsWith("\r\n\r\nthree two one"));
  EXPECT_THAT(all, ::testing::Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, AnswersForAHandlerThatDoesNot) {
  EXPECT_EQ(server_.exchange(server_.request("GET", "/silent")).status, 500);
  EXPECT_EQ(server_.exchange(server_.request("GET", "/throws")).status, 500);
}

TEST_F(HttpServerTest, CutsAStreamThatItsHandlerLeftOpen) {
  auto response = server_.exchange(server_.request("GET", "/half"));
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.is_whole) << "the client must see a broken stream, not a short one";
}

TEST_F(HttpServerTest, SendsOneAnswerPerRequest) {
  EXPECT_EQ(server_.exchange(server_.request("GET", "/twice")).body, "first");
}

TEST_F(HttpServerTest, NamesWhatIsMissing) {
  expect_refused(server_.request("GET", "/nowhere"), 404);
  expect_refused(server_.request("GET", "/socket"), 426);
  RawResponse response = server_.exchange(server_.request("DELETE", "/echo"));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers["allow"], "GET, POST");
}

// N8: where two readers of one text could disagree on where the request ends.
TEST_F(HttpServerTest, RefusesTwoWaysToFrameABody) {
  expect_refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400);
  expect_refused(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400);
  expect_refused(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400);
  expect_refused(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400);
  expect_refused(post("Content-Length: 5, 5\r\n", "hello"), 400);
  expect_refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""), 400);
}

TEST_F(HttpServerTest, RefusesTransferCodingsOtherThanChunked) {
  for (const char* coding :
       {"identity", "gzip", "gzip, chunked", "chunked, identity", "chunked,", "x"})
    expect_refused(post("Transfer-Encoding: " + std::string(coding) + "\r\n", "0\r\n\r\n"), 400);
}

TEST_F(HttpServerTest, RefusesLyingLengths) {
  for (const char* length : {"-1", "+5", "0x5", "5 5", "", "18446744073709551616", "5;", "1e3"})
    expect_refused(post("Content-Length: " + std::string(length) + "\r\n", "hello"), 400);
}

TEST_F(HttpServerTest, RefusesMalformedChunks) {
  std::string chunked = "Transfer-Encoding: chunked\r\n";
  expect_refused(post(chunked, "zz\r\nabc\r\n"), 400);
  expect_refused(post(chunked, "-1\r\nabc\r\n"), 400);
  expect_refused(post(chunked, "ffffffffffffffffff\r\nabc\r\n"), 400);
  expect_refused(post(chunked, "3\r\nabcdef\r\n"), 400);
  expect_refused(post(chunked, "3\nabc\n0\n\n"), 400);
  expect_refused(post(chunked, "1;" + std::string(20'000, 'x')), 400);
  expect_refused(post(chunked, "0\r\nX: " + std::string(20'000, 'x')), 400);
}

TEST_F(HttpServerTest, RefusesHeadsThatOthersReadDifferently) {
  std::string host = "Host: " + server_.host();
  expect_refused("GET /echo HTTP/1.1\n" + host + "\n\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nX: a\nY: b\r\n\r\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nX: a\rY: b\r\n\r\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nX: a\r\n folded\r\n\r\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nX : a\r\n\r\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nno colon\r\n\r\n", 400);
  expect_refused("GET /echo HTTP/1.1\r\n" + host + "\r\nX: a" + std::string(1, '\0') + "\r\n\r\n",
                 400);
  expect_refused("GET /echo HTTP/2.0\r\n" + host + "\r\n\r\n", 400);
  expect_refused("GET /echo\r\n" + host + "\r\n\r\n", 400);
  expect_refused("GET http://127.0.0.1/echo HTTP/1.1\r\n" + host + "\r\n\r\n", 400);
  expect_refused("GET  /echo HTTP/1.1\r\n" + host + "\r\n\r\n", 400);
  expect_refused("\x16\x03\x01\x02\r\n\r\n", 400);
}

TEST_F(HttpServerTest, DoesNotTakeHeadersFromTrailers) {
  std::string head =
      "POST /echo HTTP/1.1\r\nHost: " + server_.host() + "\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect_refused(head + "0\r\n" + server_.bearer() + "\r\n", 401);
  // Nor do they disturb a request that is in order.
  auto response = server_.exchange(
      post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nHost: evil.test\r\n\r\n"));
  EXPECT_EQ(response.body, "POST /echo? a");
}

TEST_F(HttpServerTest, DoesNotUseTheConnectionAfterARefusal) {
  RawClient client = server_.connect();
  client.send(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n") +
              server_.request("GET", "/echo"));
  EXPECT_EQ(client.read_response().status, 400);
  EXPECT_EQ(client.read_to_end(), "");
}

// N5.
TEST_F(HttpServerTest, RefusesHeadsThatAreTooLarge) {
  expect_refused(server_.request("GET", "/echo", "X: " + std::string(8 << 10, 'x') + "\r\n"), 431);
  expect_refused(server_.request("GET", "/echo", "X: " + std::string(1 << 20, 'x') + "\r\n"), 431);
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += fmt::format("X{}: y\r\n", i);
  expect_refused(server_.request("GET", "/echo", many), 431);
  expect_refused("GET /" + std::string(9 << 10, 'x'), 431);
}

TEST_F(HttpServerTest, TakesAHeadOfExactlyTheLimit) {
  std::string request = server_.request("GET", "/echo", "X: \r\n");
  request.insert(request.find("X: ") + 3, std::string((8 << 10) - request.size(), 'x'));
  ASSERT_EQ(request.size(), 8u << 10);
  EXPECT_EQ(server_.exchange(request).status, 200);
}

TEST(HttpLimits, RefusesBodiesThatAreTooLarge) {
  HttpOptions options;
  options.max_body_bytes = 1000;
  TestServer server(add_routes, options);
  std::string fits(1000, 'x');
  EXPECT_EQ(server.exchange(server.request("POST", "/echo", "", fits)).status, 200);
  EXPECT_EQ(server.exchange(server.request("POST", "/echo", "", fits + "x")).status, 413);
  std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(server.exchange(server.request("POST", "/echo", chunked) + "3e9\r\n").status, 413);
  EXPECT_EQ(server
                .exchange(server.request("POST", "/echo", chunked) + "1f4\r\n" +
                          std::string(500, 'x') + "\r\n1f5\r\n")
                .status,
            413);
}

TEST(HttpLimits, ARefusedClientCanReadItsRefusalWhileItStillSends) {
  HttpOptions options;
  options.max_body_bytes = 4 << 20;
  TestServer server(add_routes, options);
  RawClient client = server.connect();
  client.send(server.request("POST", "/echo", "Content-Length: 4194305\r\n"));
  client.send(std::string(4 << 20, 'x'));
  EXPECT_EQ(client.read_response().status, 413);
}

TEST_F(HttpServerTest, ServesTheUnixSocketToo) {
  RawClient client = server_.connect_unix();
  client.send("GET /echo HTTP/1.1\r\nHost: localhost\r\n" + server_.bearer() + "\r\n");
  EXPECT_EQ(client.read_response().status, 200);
}

}  // namespace
}  // namespace hearth::transport
