// Who is let in: reliability.md, rows N1 to N3, A1, A5, A6.
#include "net/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdlib>

#include "daemon/net/test_server.h"

namespace hearth::transport {
namespace {

using ::testing::HasSubstr;

Task<> say_yes(HttpRequest, HttpResponder& responder) {
  (void)co_await responder.respond(200, "text/plain", "yes");
}

Task<> never_end(HttpRequest, HttpResponder& responder) {
  (void)responder.begin_stream(200, "text/plain");
  (void)co_await responder.write("");
  net::steady_timer never(co_await net::this_coro::executor, net::steady_timer::time_point::max());
  co_await never.async_wait(as_result);
}

Task<> hold_socket(HttpRequest, WebSocket& socket) {
  for (;;) {
    auto text = co_await socket.receive();
    if (!text) co_return;
  }
}

void add_routes(HttpServer& server) {
  server.route("GET", "/yes", say_yes);
  server.route("GET", "/owner", say_yes, Access::owner);
  server.route("GET", "/healthz", say_yes);
  server.route("GET", "/endless", never_end);
  server.websocket("/socket", hold_socket);
}

GateOptions one_page_is_welcome() {
  GateOptions options;
  options.allowed_origins = {"https://app.example"};
  options.penalty = std::chrono::milliseconds(1);
  return options;
}

class GateTest : public ::testing::Test {
 protected:
  int status_of(const std::string& headers, const std::string& path = "/yes") {
    return server_.exchange("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n").status;
  }
  std::string host() const { return "Host: " + server_.host() + "\r\n"; }
  int upgrade_status(const std::string& headers) {
    RawClient client = server_.connect();
    return client.upgrade("/socket", server_.host(), headers).status;
  }

  TestServer server_{add_routes, {}, one_page_is_welcome()};
};

TEST_F(GateTest, LetsTheTokenIn) {
  EXPECT_EQ(status_of(host() + server_.bearer()), 200);
  EXPECT_EQ(status_of(host() + "authorization: bearer  " + server_.token().text() + "\r\n"), 200);
  EXPECT_EQ(status_of(host() + "x-api-key: " + server_.token().text() + "\r\n"), 200);
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class NamedTokenTest : public GateTest {
 protected:
  std::string create(const std::string& name, int64_t lives_ms = 0) {
    ClientToken token;
    token.name = name;
    if (lives_ms) token.expires_ms = now_ms() + lives_ms;
    return server_.loop().call([&] {
      auto text = server_.clients().create(token, now_ms() - 2 * std::abs(lives_ms));
      EXPECT_TRUE(text);
      return *text;
    });
  }
  void revoke(const std::string& name) {
    server_.loop().call([&] { return static_cast<bool>(server_.clients().revoke(name)); });
  }
  std::string bearer(const std::string& token) const {
    return host() + "Authorization: Bearer " + token + "\r\n";
  }
};

TEST_F(NamedTokenTest, OpensTheRoutesOfClientsOnly) {
  const std::string token = create("ci");
  EXPECT_EQ(status_of(bearer(token)), 200);
  EXPECT_EQ(status_of(bearer(token), "/owner"), 403);
  EXPECT_EQ(status_of(host() + server_.bearer(), "/owner"), 200);
  EXPECT_EQ(upgrade_status("Authorization: Bearer " + token + "\r\n"), 403);
  EXPECT_EQ(status_of(bearer(token), "/no/such/path"), 403);
  EXPECT_EQ(status_of(bearer(token + "0")), 401);
}

TEST_F(NamedTokenTest, EndsAtOnceWhenItIsRevoked) {
  const std::string token = create("ci"), other = create("other");
  RawClient kept_alive = server_.connect();
  auto ask = [&] {
    kept_alive.send("GET /yes HTTP/1.1\r\n" + bearer(token) + "\r\n");
    return kept_alive.read_response().status;
  };
  EXPECT_EQ(ask(), 200);
  revoke("ci");
  EXPECT_EQ(ask(), 401);
  EXPECT_EQ(status_of(bearer(token)), 401);
  EXPECT_EQ(status_of(bearer(other)), 200);
}

TEST_F(NamedTokenTest, ItsAnswersUnderWayAreCutWhenItIsRevoked) {
  const std::string token = create("ci"), other = create("other");
  RawClient cut = server_.connect(), kept = server_.connect();
  for (auto& [client, text] : {std::pair{&cut, token}, std::pair{&kept, other}}) {
    client->send("GET /endless HTTP/1.1\r\n" + bearer(text) + "\r\n");
    EXPECT_TRUE(client->receive_some());
  }
  revoke("ci");
  server_.loop().call([&] { server_.server().cut_revoked(); });
  EXPECT_TRUE(cut.is_closed_by_peer());
  char byte;
  EXPECT_EQ(::recv(kept.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1) << "it goes on";
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(NamedTokenTest, EndsWithItsTime) {
  EXPECT_EQ(status_of(bearer(create("long", 3'600'000))), 200);
  EXPECT_EQ(status_of(bearer(create("over", -1'000))), 401);
}

TEST_F(GateTest, RefusesWrongTokens) {
  std::string token = server_.token().text();
  for (std::string wrong : {std::string(), std::string("x"), token.substr(1), token + "0",
                            std::string(64, '0'), std::string(5000, 'a')})
    EXPECT_EQ(status_of(host() + "Authorization: Bearer " + wrong + "\r\n"), 401) << wrong;
  EXPECT_EQ(status_of(host()), 401);
  EXPECT_EQ(status_of(host() + "Authorization: Basic " + token + "\r\n"), 401);
  EXPECT_EQ(status_of(host() + "Authorization: " + token + "\r\n"), 401);
}

TEST_F(GateTest, RefusesTheTokenInTheUrl) {
  std::string token = server_.token().text();
  for (const char* key : {"token", "access_token", "api_key", "Token"}) {
    std::string path = "/yes?" + std::string(key) + "=" + token;
    EXPECT_EQ(status_of(host(), path), 401) << key;
    EXPECT_EQ(status_of(host() + server_.bearer(), path), 401) << "even beside the right header";
  }
}

TEST_F(GateTest, DoesNotSayWhichPathsExistToStrangers) {
  EXPECT_EQ(status_of(host(), "/nowhere"), 401);
  EXPECT_EQ(status_of(host(), "/yes"), 401);
}

TEST_F(GateTest, ChecksTheHostEvenWithTheRightToken) {
  std::string port = std::to_string(server_.port());
  std::vector<std::string> foreign{"evil.test",
                                   "evil.test:" + port,
                                   "127.0.0.1.evil.test:" + port,
                                   "localhost.:" + port,
                                   "localhost.",
                                   "127.0.0.1",
                                   "127.0.0.1:1",
                                   "127.0.0.1:0" + port,
                                   server_.host() + "0",
                                   "[::2]:" + port,
                                   "user@127.0.0.1:" + port,
                                   "0.0.0.0:" + port,
                                   ""};
  for (const std::string& name : foreign)
    EXPECT_EQ(status_of("Host: " + name + "\r\n" + server_.bearer()), 403) << name;
  EXPECT_EQ(status_of(server_.bearer()), 403) << "missing";
  EXPECT_EQ(status_of(host() + host() + server_.bearer()), 403) << "twice";
}

TEST_F(GateTest, KnowsItsOwnNames) {
  for (const char* name : {"127.0.0.1", "localhost", "LocalHost", "[::1]"})
    EXPECT_EQ(status_of("Host: " + std::string(name) + ":" + std::to_string(server_.port()) +
                        "\r\n" + server_.bearer()),
              200)
        << name;
}

TEST_F(GateTest, RefusesWebPagesEvenWithTheRightToken) {
  for (const char* origin : {"https://evil.test", "null", "http://localhost:3000", "",
                             "https://app.example.evil.test", "https://APP.example"}) {
    std::string header = "Origin: " + std::string(origin) + "\r\n";
    EXPECT_EQ(status_of(host() + header + server_.bearer()), 403) << origin;
    EXPECT_EQ(upgrade_status(header + server_.bearer()), 403) << origin;
    EXPECT_EQ(status_of(host() + header, "/healthz"), 403) << origin;
  }
}

TEST_F(GateTest, AdmitsListedPagesWithATokenOnly) {
  std::string origin = "Origin: https://app.example\r\n";
  EXPECT_EQ(status_of(host() + origin + server_.bearer()), 200);
  EXPECT_EQ(status_of(host() + origin), 401);
  EXPECT_EQ(status_of(host() + origin + origin + server_.bearer()), 403);
}

TEST_F(GateTest, HealthNeedsNoToken) {
  EXPECT_EQ(status_of(host(), "/healthz"), 200);
  EXPECT_EQ(status_of("Host: evil.test\r\n", "/healthz"), 403);
}

// Browsers ask first, without a token, and give the page an answer only when it names the page.
TEST_F(GateTest, AListedPageMayAskBeforehandAndReadItsAnswers) {
  auto ask = [&](const std::string& method, const std::string& origin, const std::string& more) {
    return server_.exchange(method + " /yes HTTP/1.1\r\n" + host() + "Origin: " + origin + "\r\n" +
                            more + "\r\n");
  };
  const std::string question =
      "Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization\r\n";
  const std::string page = "https://app.example";
  RawResponse allowed = ask("OPTIONS", page, question);
  EXPECT_EQ(allowed.status, 200);
  EXPECT_EQ(allowed.headers["access-control-allow-origin"], page);
  EXPECT_EQ(allowed.headers["access-control-allow-methods"], "GET, POST");
  EXPECT_EQ(allowed.headers["access-control-allow-headers"], "*, Authorization");
  for (const std::string& token : {server_.bearer(), std::string()}) {
    RawResponse answer = ask("GET", page, token);
    EXPECT_EQ(answer.status, token.empty() ? 401 : 200);
    EXPECT_EQ(answer.headers["access-control-allow-origin"], page);
    EXPECT_EQ(answer.headers["vary"], "Origin");
  }
  RawResponse refused = ask("OPTIONS", "https://evil.test", question);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.count("access-control-allow-origin"), 0u);
  EXPECT_EQ(ask("OPTIONS", page, "").status, 401) << "that is no preflight";
  RawResponse plain =
      server_.exchange("GET /yes HTTP/1.1\r\n" + host() + server_.bearer() + "\r\n");
  EXPECT_EQ(plain.headers.count("access-control-allow-origin"), 0u);
}

// As those of answers are found: by the names that OpenAI's and Anthropic's clients look for.
TEST_F(GateTest, EveryRefusalHasAnIdAndSaysThatHearthSpeaks) {
  const std::string large = "X-Large: " + std::string(20'000, 'x') + "\r\n";
  struct Case {
    int status;
    std::string request;
  };
  const std::string good = host() + server_.bearer();
  for (const Case& c :
       {Case{401, "GET /yes HTTP/1.1\r\n" + host()},
        Case{403, "GET /yes HTTP/1.1\r\nHost: evil.test\r\n"},
        Case{404, "GET /nowhere HTTP/1.1\r\n" + good}, Case{405, "POST /yes HTTP/1.1\r\n" + good},
        Case{413, "GET /yes HTTP/1.1\r\nContent-Length: 99999999999\r\n" + good},
        Case{431, "GET /yes HTTP/1.1\r\n" + good + large}}) {
    RawResponse response = server_.exchange(c.request + "\r\n");
    EXPECT_EQ(response.status, c.status);
    EXPECT_THAT(response.headers["x-request-id"], ::testing::StartsWith("req-")) << c.status;
    EXPECT_EQ(response.headers["request-id"], response.headers["x-request-id"]);
    EXPECT_EQ(response.headers["x-hearth-error-source"], "hearth") << c.status;
  }
}

TEST_F(GateTest, UpgradesOnlyWithAToken) {
  EXPECT_EQ(upgrade_status(""), 401);
  EXPECT_EQ(upgrade_status("Authorization: Bearer wrong\r\n"), 401);
  EXPECT_EQ(upgrade_status(server_.bearer()), 101);
}

TEST_F(GateTest, TakesTheTokenAsASubprotocolAndEchoesOnlyThePlainOne) {
  RawClient client = server_.connect();
  auto response = client.upgrade(
      "/socket", server_.host(),
      "Sec-WebSocket-Protocol: hearth, hearth.token." + server_.token().text() + "\r\n");
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.headers["sec-websocket-protocol"], "hearth");
  EXPECT_EQ(upgrade_status("Sec-WebSocket-Protocol: hearth, hearth.token.wrong\r\n"), 401);
}

TEST_F(GateTest, TheUnixSocketNeedsTheTokenAndNoHost) {
  auto status = [&](const std::string& headers) {
    RawClient client = server_.connect_unix();
    client.send("GET /yes HTTP/1.1\r\n" + headers + "\r\n");
    return client.read_response().status;
  };
  EXPECT_EQ(status(server_.bearer()), 200);
  EXPECT_EQ(status("Host: whatever\r\n" + server_.bearer()), 200);
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Origin: https://evil.test\r\n" + server_.bearer()), 403);
}

TEST_F(GateTest, AFloodOfWrongTokensDoesNotKeepTheRightOneWaiting) {
  std::vector<RawClient> flood;
  for (int i = 0; i < 200; ++i) {
    flood.push_back(server_.connect());
    flood.back().send("GET /yes HTTP/1.1\r\n" + host() + "Authorization: Bearer wrong\r\n\r\n");
  }
  EXPECT_EQ(status_of(host() + server_.bearer()), 200);
  for (RawClient& client : flood) {
    int status = client.read_response().status;
    EXPECT_TRUE(status == 401 || status == 429) << status;
  }
}

TEST(GatePenalty, SlowsAFloodAndBoundsHowManyWait) {
  TestFolder folder;
  auto token = Token::open(folder.path("token"));
  ASSERT_TRUE(token);
  GateOptions options;
  options.free_mistakes = 2;
  options.max_waiting = 3;
  options.penalty = std::chrono::milliseconds(50);
  Gate gate(*token, options);
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  using std::chrono::milliseconds;
  EXPECT_EQ(gate.begin_penalty(now), milliseconds(0));
  gate.end_penalty();
  EXPECT_EQ(gate.begin_penalty(now), milliseconds(0));
  gate.end_penalty();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(gate.begin_penalty(now), milliseconds(50));
  EXPECT_EQ(gate.begin_penalty(now), std::nullopt) << "the waiting room is full";
  gate.end_penalty();
  EXPECT_EQ(gate.begin_penalty(now), milliseconds(50));
  now += std::chrono::seconds(2);
  EXPECT_EQ(gate.begin_penalty(now), milliseconds(0)) << "forgiven after a quiet second";
}

TEST_F(GateTest, RotationEndsOldConnectionsAndLetsTheNewTokenIn) {
  std::string old_token = server_.bearer();
  RawClient http = server_.connect();
  http.send(server_.request("GET", "/yes"));
  EXPECT_EQ(http.read_response().status, 200);
  RawClient socket = server_.connect();
  EXPECT_EQ(socket.upgrade("/socket", server_.host(), old_token).status, 101);

  server_.loop().call([&] {
    EXPECT_TRUE(server_.token().rotate([](const std::string&) { return Result<>(); }));
    server_.server().drop_clients();
  });

  EXPECT_TRUE(http.is_closed_by_peer());
  EXPECT_EQ(socket.read_close_code(), kClosePolicy);
  EXPECT_EQ(status_of(host() + old_token), 401);
  EXPECT_EQ(status_of(host() + server_.bearer()), 200);
}

}  // namespace
}  // namespace hearth::transport
