#include "outbound/http_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <stdexcept>

#include "daemon/outbound/self_signed.h"
#include "support/environment.h"
#include "support/mapped_bytes.h"
#include "support/mock_provider.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

using hearth::test::self_signed;
using hearth::test::TemporaryFolder;
using hearth::test::Variable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MockProvider;
using ::testing::Not;

class HttpClientTest : public ::testing::Test {
 protected:
  // Runs until nothing is left to wait for, so that a wait which is left behind hangs the test.
  Result<OutboundResponse> fetch(OutboundRequest request, HttpClient::BodySink sink = {}) {
    if (!sink)
      sink = [this](const OutboundResponse&, std::string_view piece) {
        body += piece;
        return true;
      };
    std::optional<Result<OutboundResponse>> got;
    Task<> fetching = keep(client->fetch(std::move(request), std::move(sink)), got);
    net::co_spawn(
        io, std::move(fetching),
        net::bind_cancellation_slot(withdraw.slot(), [this](std::exception_ptr e) { thrown = e; }));
    io.restart();
    io.run();
    if (!got) return Error{Errc::internal, "the task ended without a result"};
    return *got;
  }
  static Task<> keep(Task<Result<OutboundResponse>> task,
                     std::optional<Result<OutboundResponse>>& got) {
    got = co_await std::move(task);
  }

  OutboundRequest get(const MockProvider& from, const std::string& path = "/x") {
    OutboundRequest request;
    request.url = from.url() + path;
    return request;
  }

  net::io_context io{1};
  net::cancellation_signal withdraw;
  std::exception_ptr thrown;
  std::vector<Egress> egress;
  std::optional<HttpClient> client{std::in_place, io.get_executor(),
                                   [this](const Egress& each) { egress.push_back(each); }};
  std::string body;
};

TEST_F(HttpClientTest, SendsExactlyWhatItWasGivenAndHearsTheAnswer) {
  MockProvider server;
  server.add(testing::answer(201, "made", {{"X-Thing", "a"}, {"x-thing", "b"}, {"Empty", ""}}));
  OutboundRequest request = get(server, "/v1/things?x=1");
  request.method = "POST";
  request.headers = {"content-type: application/json", "authorization: Bearer k"};
  request.body = "{\"a\":1}";
  auto response = fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->header("x-thing"), "a");
  EXPECT_EQ(response->header("empty"), "");
  EXPECT_EQ(response->header("absent"), std::nullopt);
  EXPECT_EQ(body, "made");
  ASSERT_EQ(server.requests().size(), 1u);
  const testing::SeenRequest seen = server.requests()[0];
  EXPECT_EQ(seen.line(), "POST /v1/things?x=1 HTTP/1.1");
  EXPECT_EQ(seen.header("Authorization"), "Bearer k");
  EXPECT_EQ(seen.header("content-length"), "7");
  EXPECT_EQ(seen.header("expect"), std::nullopt);
  EXPECT_EQ(seen.body, "{\"a\":1}");
}

TEST_F(HttpClientTest, KeepsConnectionsForTheNextRequest) {
  MockProvider server;
  for (int i = 0; i < 3; ++i) {
    server.add(testing::answer(200, "again"));
    ASSERT_TRUE(fetch(get(server)));
  }
  EXPECT_EQ(server.requests().size(), 3u);
  EXPECT_EQ(server.n_connections(), 1u);
}

TEST_F(HttpClientTest, HandsPiecesOnWhileTheBodyIsStillComing) {
  MockProvider server;
  testing::Script script = testing::sse({"one", "two"});
  script.steps.insert(script.steps.begin() + 2, testing::Stall{});
  server.add(script);
  std::vector<std::string> pieces;
  auto response = fetch(get(server), [&](const OutboundResponse& head, std::string_view piece) {
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("content-type"), "text/event-stream");
    pieces.emplace_back(piece);
    server.release();  // the second event is sent only after the first was heard
    return true;
  });
  ASSERT_TRUE(response);
  EXPECT_THAT(pieces, ElementsAre("data: one\n\n", "data: two\n\n"));
}

TEST_F(HttpClientTest, WhatWasSentIsLetGoOfWhenTheAnswerBegins) {
  MockProvider server;
  testing::Script script = testing::sse({"one", "two"});
  script.steps.insert(script.steps.begin() + 2, testing::Stall{});
  server.add(script);
  OutboundRequest request = get(server);
  request.method = "POST";
  request.body.assign(testing::kMappedAlone, 'a');
  std::vector<size_t> mapped;
  auto response = fetch(std::move(request), [&](const OutboundResponse&, std::string_view) {
    mapped.push_back(testing::mapped_bytes());
    server.release();
    return true;
  });
  ASSERT_TRUE(response) << response.error().message;
  ASSERT_EQ(mapped.size(), 2u);
  const size_t expected = mapped[0] > 0 ? testing::kMappedAlone : 0;
  EXPECT_GE(mapped[0], mapped[1] + expected);
  EXPECT_EQ(server.requests()[0].body.size(), testing::kMappedAlone);
  ASSERT_EQ(egress.size(), 1u);
  EXPECT_TRUE(egress[0].is_body_sent);
  EXPECT_GT(egress[0].n_sent, testing::kMappedAlone);
}

TEST_F(HttpClientTest, AWithdrawnTaskEndsTheTransferAndLeavesNothingBehind) {
  MockProvider server;
  testing::Script script = testing::sse({"one", "two"});
  script.steps.insert(script.steps.begin() + 2, testing::Stall{});
  server.add(script);
  auto response = fetch(get(server), [&](const OutboundResponse&, std::string_view) {
    net::post(io, [this] { withdraw.emit(net::cancellation_type::terminal); });
    return true;
  });
  EXPECT_TRUE(thrown || (!response && response.error().code == Errc::cancelled));
  EXPECT_TRUE(server.wait_for_client_to_leave());
  thrown = nullptr;
  server.release();
  server.add(testing::answer(200, "next"));
  EXPECT_TRUE(fetch(get(server))) << "the client can still be used";
}

TEST_F(HttpClientTest, TheSinkCanEndTheTransfer) {
  MockProvider server;
  testing::Script script = testing::sse({"one"});
  script.steps.insert(script.steps.begin() + 2, testing::Stall{});
  server.add(script);
  auto response =
      fetch(get(server), [](const OutboundResponse&, std::string_view) { return false; });
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::cancelled);
  EXPECT_TRUE(server.wait_for_client_to_leave());
}

TEST_F(HttpClientTest, WhatTheSinkThrowsComesOutOfTheTask) {
  MockProvider server;
  server.add(testing::answer(200, "x"));
  auto response = fetch(get(server), [](const OutboundResponse&, std::string_view) -> bool {
    throw std::runtime_error("mine");
  });
  EXPECT_FALSE(response);
  ASSERT_TRUE(thrown);
  EXPECT_THROW(std::rethrow_exception(thrown), std::runtime_error);
}

TEST_F(HttpClientTest, ARefusedConnectionNamesHostAndPort) {
  OutboundRequest request;
  {
    MockProvider server;  // its port is free again after this block
    request = get(server);
    request.url.insert(7, "user:secret@");
  }
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::upstream);
  EXPECT_THAT(response.error().message, HasSubstr("127.0.0.1:"));
  EXPECT_THAT(response.error().message, Not(HasSubstr("secret")));
}

TEST_F(HttpClientTest, SilenceEndsWhenItsTimeIsOver) {
  for (size_t n_bytes : {size_t{0}, size_t{10}, testing::size_of(testing::sse({"one"})) - 5}) {
    MockProvider server;
    server.add(testing::cut_at(testing::sse({"one"}), n_bytes, testing::Stall{}));
    OutboundRequest request = get(server);
    request.stall_timeout = std::chrono::milliseconds(100);
    auto response = fetch(request);
    ASSERT_FALSE(response) << n_bytes;
    EXPECT_EQ(response.error().code, Errc::timeout) << response.error().message;
    EXPECT_THAT(response.error().message, HasSubstr("not a byte in 100 ms"));
  }
}

TEST_F(HttpClientTest, TheTotalTimeIsALimitToo) {
  MockProvider server;
  server.add(testing::cut_at(testing::sse({"one"}), 60, testing::Stall{}));
  OutboundRequest request = get(server);
  request.total_timeout = std::chrono::milliseconds(100);
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::timeout);
}

TEST_F(HttpClientTest, AnAnswerThatIsWholeNeedsNoOrderlyEnd) {
  for (testing::Step ending : {testing::Step(testing::Stall{}), testing::Step(testing::Reset{})}) {
    MockProvider server;
    testing::Script script = testing::sse({"all of it"});
    server.add(testing::cut_at(script, testing::size_of(script) - 5, ending));
    OutboundRequest request = get(server);
    request.has_all = [this] { return body.ends_with("\n\n"); };
    body.clear();
    auto response = fetch(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(body, "data: all of it\n\n");
  }
}

// The last line feed alone is forgiven: all of the body is there.
TEST_F(HttpClientTest, ACutAnywhereIsAnError) {
  const testing::Script whole = testing::sse({"one", "two"});
  for (testing::Step ending :
       {testing::Step(testing::CloseClean{}), testing::Step(testing::Reset{})})
    for (size_t n_bytes = 0; n_bytes + 1 < testing::size_of(whole); ++n_bytes) {
      MockProvider server;
      server.add(testing::cut_at(whole, n_bytes, ending));
      auto response = fetch(get(server));
      ASSERT_FALSE(response) << n_bytes << " of " << testing::size_of(whole);
      EXPECT_EQ(response.error().code, Errc::upstream);
    }
}

TEST_F(HttpClientTest, AHeaderCannotBringAnother) {
  MockProvider server;
  for (const char* header : {"x: a\r\ny: b", "x: a\nhost: evil", "x: a\rb", "x: \x01"}) {
    OutboundRequest request = get(server);
    request.headers = {"a: b", header};
    auto response = fetch(request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::invalid);
    EXPECT_THAT(response.error().message, HasSubstr("header 2 "));
    EXPECT_THAT(response.error().message, Not(HasSubstr("evil")));
  }
  EXPECT_EQ(server.n_connections(), 0u);
}

TEST_F(HttpClientTest, AHeadWithoutEndIsCutOff) {
  for (bool is_one_line : {true, false}) {
    MockProvider server;
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 20'000; ++i)
      head += is_one_line ? "x: 0123456789012345" : "x: 0123456789012345\r\n";
    server.add({{testing::Send{head}, testing::Stall{}}});
    auto response = fetch(get(server));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::upstream) << response.error().message;
    EXPECT_TRUE(server.wait_for_client_to_leave());
  }
}

TEST_F(HttpClientTest, DoesNotFollowRedirectsUnlessAsked) {
  MockProvider server;
  server.add(testing::answer(307, "", {{"location", "/elsewhere"}}));
  auto response = fetch(get(server));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 307);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(HttpClientTest, ARedirectToAnotherHostLosesTheCredentials) {
  MockProvider first, second;
  first.add(testing::answer(302, "", {{"location", second.url() + "/there"}}));
  second.add(testing::answer(200, "there"));
  OutboundRequest request = get(first);
  request.follow_redirects = true;
  request.headers = {"authorization: Bearer key", "accept: text/plain"};
  auto response = fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(body, "there");
  EXPECT_EQ(response->url, second.url() + "/there");
  ASSERT_EQ(second.requests().size(), 1u);
  EXPECT_EQ(second.requests()[0].header("authorization"), std::nullopt);
  EXPECT_EQ(second.requests()[0].header("accept"), "text/plain");
}

TEST_F(HttpClientTest, OtherSchemesAreRefused) {
  for (const char* url :
       {"file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "not a url"}) {
    OutboundRequest request;
    request.url = url;
    EXPECT_FALSE(fetch(request)) << url;
  }
  EXPECT_EQ(body, "");
}

TEST_F(HttpClientTest, ABodyPastItsBoundIsCutOff) {
  MockProvider server;
  server.add(testing::answer(200, std::string(100'000, 'x')));
  OutboundRequest request = get(server);
  request.max_body_bytes = 65'536;
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::upstream);
  EXPECT_THAT(response.error().message, HasSubstr("longer than 65536 bytes"));
  EXPECT_LE(body.size(), 65'536u);
}

// ---- who hears of it ----

TEST_F(HttpClientTest, ThisMachineIsNeverReachedThroughAProxy) {
  MockProvider proxy, server;
  Variable http("http_proxy", proxy.url()), all("ALL_PROXY", proxy.url());
  for (std::string_view no_proxy : {"", "example.com", "*"}) {
    Variable exceptions("no_proxy", std::string(no_proxy));
    for (std::string_view host : {"127.0.0.1", "localhost"}) {
      server.add(testing::answer(200, "direct"));
      OutboundRequest request;
      request.url = fmt::format("http://{}:{}/", host, server.port());
      request.headers = {"authorization: Bearer token"};
      ASSERT_TRUE(fetch(request)) << host;
    }
    for (std::string_view host : {"127.9.8.7", "[::1]"}) {  // where nobody listens
      OutboundRequest request;
      request.url = fmt::format("http://{}:{}/", host, server.port());
      EXPECT_FALSE(fetch(request)) << host;
    }
  }
  EXPECT_EQ(proxy.n_connections(), 0u);
}

TEST_F(HttpClientTest, OtherMachinesAreReachedThroughTheUsersProxy) {
  MockProvider proxy;
  Variable http("http_proxy", proxy.url()), exceptions("no_proxy", "");
  proxy.add(testing::answer(200, "by proxy"));
  OutboundRequest request;
  request.url = "http://127.0.0.1.example.invalid/x";
  ASSERT_TRUE(fetch(request));
  EXPECT_EQ(body, "by proxy");
  EXPECT_EQ(proxy.requests().at(0).line(), "GET http://127.0.0.1.example.invalid/x HTTP/1.1");
}

TEST_F(HttpClientTest, EveryTransferIsToldHoweverItEnds) {
  MockProvider server, elsewhere;
  server.add(testing::answer(302, "", {{"location", elsewhere.url()}}));
  elsewhere.add(testing::answer(200, "there"));
  OutboundRequest request = get(server);
  request.method = "POST";
  request.body = std::string(1000, 'x');
  request.cause = "req-1";
  request.follow_redirects = true;
  ASSERT_TRUE(fetch(request));
  ASSERT_EQ(egress.size(), 1u);
  EXPECT_EQ(egress[0].cause, "req-1");
  EXPECT_EQ(egress[0].method, "POST");
  EXPECT_THAT(egress[0].hosts, ElementsAre(server.url().substr(7), elsewhere.url().substr(7)));
  EXPECT_EQ(egress[0].status, 200);
  uint64_t n_seen = 0;
  for (const testing::SeenRequest& seen : {server.requests().at(0), elsewhere.requests().at(0)})
    n_seen += seen.head.size() + seen.body.size();
  EXPECT_EQ(egress[0].n_sent, n_seen) << "of all hops, to the byte";
  const std::string moved = testing::response_head(302, {{"location", elsewhere.url()}});
  EXPECT_GT(egress[0].n_received, moved.size() + 5);

  server.add(testing::answer(200, "whole"));
  EXPECT_FALSE(fetch(get(server), [](const OutboundResponse&, std::string_view) { return false; }));
  ASSERT_EQ(egress.size(), 2u) << "a stopped transfer too";
}

// ---- TLS ----

TEST_F(HttpClientTest, ACertificateThatNobodyVouchesForIsRefused) {
  MockProvider server(self_signed("IP:127.0.0.1"));
  OutboundRequest request = get(server);
  request.headers = {"authorization: Bearer key"};
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::upstream);
  EXPECT_THAT(response.error().message, HasSubstr("certificate"));
  EXPECT_THAT(server.requests(), ::testing::IsEmpty());
}

class TrustedTest : public HttpClientTest {
 protected:
  // The user's own authority, as SSL_CERT_FILE names it.
  Result<OutboundResponse> fetch_trusting(const testing::TlsIdentity& identity,
                                          testing::Script script) {
    std::ofstream(folder / "ca.pem") << identity.certificate_pem;
    Variable authorities("SSL_CERT_FILE", folder / "ca.pem");
    server.emplace(identity);
    server->add(std::move(script));
    OutboundRequest request = get(*server);
    request.follow_redirects = true;
    return fetch(request);
  }

  TemporaryFolder folder;
  std::optional<MockProvider> server;
};

TEST_F(TrustedTest, TheUsersOwnAuthorityIsAccepted) {
  auto response = fetch_trusting(self_signed("IP:127.0.0.1"), testing::answer(200, "hello"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(body, "hello");
}

TEST_F(TrustedTest, ACertificateForAnotherHostIsRefused) {
  EXPECT_FALSE(fetch_trusting(self_signed("DNS:api.example.com"), testing::answer(200, "hello")));
  EXPECT_THAT(server->requests(), ::testing::IsEmpty());
}

TEST_F(TrustedTest, AnOldVersionOfTlsIsRefused) {
  testing::TlsIdentity identity = self_signed("IP:127.0.0.1");
  identity.is_outdated = true;
  auto response = fetch_trusting(identity, testing::answer(200, "hello"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::upstream);
}

TEST_F(HttpClientTest, AFileOfTheUsersVouchesBesideTheSystem) {
  TemporaryFolder folder;
  const testing::TlsIdentity identity = self_signed("IP:127.0.0.1");
  std::ofstream(folder / "ca.pem") << identity.certificate_pem;
  std::string ca_file;
  client.emplace(io.get_executor(), [](const Egress&) {}, [&ca_file] { return ca_file; });
  MockProvider server(identity);
  server.add(testing::answer(200, "hello"));
  EXPECT_FALSE(fetch(get(server)));
  ca_file = folder / "ca.pem";  // a configuration read anew
  auto response = fetch(get(server));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
}

TEST_F(TrustedTest, AnExpiredCertificateIsRefused) {
  EXPECT_FALSE(fetch_trusting(self_signed("IP:127.0.0.1", -1), testing::answer(200, "hello")));
  EXPECT_THAT(server->requests(), ::testing::IsEmpty());
}

TEST_F(TrustedTest, ARedirectFromHttpsToHttpIsRefused) {
  MockProvider plain;
  auto response = fetch_trusting(self_signed("IP:127.0.0.1"),
                                 testing::answer(302, "", {{"location", plain.url()}}));
  EXPECT_FALSE(response);
  EXPECT_EQ(plain.n_connections(), 0u);
}

}  // namespace
}  // namespace hearth
