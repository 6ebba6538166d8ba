// JSON-RPC over a real connection: reliability.md, rows J1 to J4, J6, J7, N10.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "daemon/net/rpc_server.h"
#include "support/json.h"

namespace hearth::transport {
namespace {

using ::testing::HasSubstr;

std::string request(const std::string& id, const std::string& method,
                    const std::string& params = "{}") {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", id, method,
                     params);
}

std::string notification(const std::string& method, const std::string& params = "{}") {
  return fmt::format(R"({{"jsonrpc":"2.0","method":"{}","params":{}}})", method, params);
}

std::string result(const std::string& id, const std::string& value) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{}}})", id, value);
}

// "id code message" of an error reply, for short comparisons.
std::string error_of(const std::string& text) {
  auto reply = json::parse_value(text);
  if (!reply || !reply->is_object() || !reply->as_object().contains("error")) return text;
  const json::Object& error = reply->at("error").as_object();
  return fmt::format("{} {} {}", boost::json::serialize(reply->at("id")),
                     error.at("code").as_int64(), error.at("message").as_string().c_str());
}

class RpcTest : public ::testing::Test {
 protected:
  // What the daemon says to `text`, on a connection that must survive it.
  std::string reply_to(const std::string& text) {
    client_.send_text(text);
    std::string reply = client_.read_text();
    client_.send_text(request("99", "ping"));
    EXPECT_EQ(client_.read_text(), result("99", "{}")) << "the connection did not survive " << text;
    return reply;
  }

  RpcServer server_;
  RawClient client_ = server_.connect();
};

TEST_F(RpcTest, CallsAMethod) {
  EXPECT_EQ(reply_to(request("1", "test/add", R"({"a":2,"b":40})")), result("1", R"({"sum":42})"));
}

TEST_F(RpcTest, EchoesIdsExactly) {
  for (std::string id : {R"(0)", R"(-1)", R"(9223372036854775807)", R"(18446744073709551615)",
                         R"("")", R"("1")", R"("a \"quoted\" id")", R"("é")"})
    EXPECT_EQ(reply_to(request(id, "ping")), result(id, "{}"));
}

TEST_F(RpcTest, TakesARequestWithoutParams) {
  EXPECT_EQ(reply_to(R"({"jsonrpc":"2.0","id":1,"method":"ping"})"), result("1", "{}"));
}

// J1.
TEST_F(RpcTest, AnswersTextThatIsNoJson) {
  for (std::string text : {"", "nonsense", "{", R"({"a":)", R"({"jsonrpc":"2.0",})",
                           "\xef\xbb\xbf{", R"({"id":1e400})", R"({"id":18446744073709551616})",
                           R"("\ud800")", "{\"a\":\"\x01\"}", "[1,2", "{} {}"})
    EXPECT_THAT(error_of(reply_to(text)), HasSubstr("null -32700")) << text;
  EXPECT_THAT(error_of(reply_to(std::string("{\0}", 3))), HasSubstr("null -32700"));
}

TEST_F(RpcTest, AnswersJsonThatIsNoRequest) {
  for (std::string text :
       {R"(1)", R"("x")", R"(null)", R"({})", R"({"jsonrpc":"2.0"})", R"({"jsonrpc":"2.0","id":1})",
        R"({"jsonrpc":"2.0","id":{},"method":"ping"})",
        R"({"jsonrpc":"2.0","id":[1],"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":null,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":true,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"test/wait"})",
        R"({"jsonrpc":"2.0","id":7,"result":{}})", R"({"jsonrpc":"2.0","id":7,"error":{}})"})
    EXPECT_THAT(error_of(reply_to(text)), HasSubstr("null -32600")) << text;
  EXPECT_THAT(error_of(reply_to(request("\"" + std::string(200, 'i') + "\"", "ping"))),
              HasSubstr("null -32600"));
}

TEST_F(RpcTest, AnswersBadRequestsUnderTheirId) {
  for (std::string text :
       {R"({"id":5,"method":"ping"})", R"({"jsonrpc":"1.0","id":5,"method":"ping"})",
        R"({"jsonrpc":2.0,"id":5,"method":"ping"})", R"({"jsonrpc":"2.0","id":5,"method":7})"})
    EXPECT_THAT(error_of(reply_to(text)), HasSubstr("5 -32600")) << text;
  EXPECT_THAT(error_of(reply_to(request("5", std::string(200, 'm')))), HasSubstr("5 -32600"));
}

TEST_F(RpcTest, RefusesBatches) {
  EXPECT_EQ(error_of(reply_to("[" + request("1", "ping") + "]")),
            "null -32600 batches are not supported");
  std::string batch = "[";
  for (int i = 0; i < 100'000; ++i) batch += "1,";
  EXPECT_EQ(error_of(reply_to(batch + "1]")), "null -32600 batches are not supported");
}

// J4.
TEST_F(RpcTest, RefusesDeepNesting) {
  for (size_t depth : {65u, 3000u, 1'000'000u})
    EXPECT_THAT(
        error_of(reply_to(request(
            "1", "ping", "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}"))),
        HasSubstr("null -32700"))
        << depth;
}

// J2.
TEST_F(RpcTest, NamesTheMethodThatIsUnknown) {
  EXPECT_EQ(error_of(reply_to(request("1", "turn/strat"))),
            "1 -32601 unknown method \"turn/strat\"");
  EXPECT_THAT(error_of(reply_to(request("1", ""))), HasSubstr("1 -32601"));
}

TEST_F(RpcTest, NamesTheFieldThatIsWrong) {
  auto add = [&](const std::string& params) {
    return error_of(reply_to(request("1", "test/add", params)));
  };
  EXPECT_EQ(add(R"({"a":1})"), "1 -32602 params.b: missing");
  EXPECT_EQ(add(R"({"a":1,"b":"2"})"), "1 -32602 params.b: expected an integer, got a string");
  EXPECT_EQ(add(R"({"a":1,"b":null})"), "1 -32602 params.b: expected an integer, got null");
  EXPECT_EQ(add(R"({"a":1.5,"b":1})"), "1 -32602 params.a: expected an integer, got a number");
  EXPECT_THAT(add(R"({"a":18446744073709551615,"b":1})"), HasSubstr("1 -32602 params.a"));
  EXPECT_EQ(add("[1,2]"), "1 -32602 params: expected an object");
  EXPECT_EQ(add("3"), "1 -32602 params: expected an object");
}

TEST_F(RpcTest, IgnoresFieldsItDoesNotKnow) {
  EXPECT_EQ(reply_to(request("1", "test/add", R"({"a":1,"b":1,"c":{}})")),
            result("1", R"({"sum":2})"));
}

TEST_F(RpcTest, ReportsFailuresByCodeAndKind) {
  auto reply = reply_to(request("1", "test/fail", R"({"code":"not_found"})"));
  EXPECT_EQ(error_of(reply), "1 -32004 as you wish");
  EXPECT_THAT(reply, HasSubstr(R"("data":{"kind":"not_found"})"));
  EXPECT_EQ(error_of(reply_to(request("1", "test/fail", R"({"code":"denied"})"))),
            "1 -32003 as you wish");
}

TEST_F(RpcTest, AnExceptionEndsOnlyItsRequest) {
  EXPECT_THAT(error_of(reply_to(request("1", "test/throw"))), HasSubstr("1 -32603"));
}

// J3.
TEST_F(RpcTest, RefusesAnIdThatIsInUse) {
  client_.send_text(request("1", "test/wait"));
  EXPECT_EQ(error_of(reply_to(request("1", "ping"))),
            "null -32600 id 1 is in use by a running request");
  EXPECT_EQ(reply_to(request("\"1\"", "ping")), result("\"1\"", "{}")) << "a string is another id";
}

TEST_F(RpcTest, AnIdIsFreeAgainAfterItsAnswer) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reply_to(request("1", "ping")), result("1", "{}"));
}

TEST_F(RpcTest, NotificationsGetNoAnswer) {
  for (std::string text : {notification("ping"), notification("no/such"),
                           notification("test/throw"), notification("test/add", R"({"a":"x"})"),
                           notification("initialize"), notification("$/unknown")}) {
    client_.send_text(text);
    client_.send_text(request("7", "ping"));
    EXPECT_EQ(client_.read_text(), result("7", "{}")) << "only the request is answered: " << text;
  }
}

// J6.
TEST_F(RpcTest, CancelsARequest) {
  client_.send_text(request("1", "test/wait"));
  client_.send_text(request("\"1\"", "test/wait"));
  client_.send_text(notification("$/cancelRequest", R"({"id":1})"));
  EXPECT_EQ(error_of(client_.read_text()), "1 -32800 cancelled");
  EXPECT_EQ(server_.n_waits_ended(), 1);
  client_.send_text(notification("$/cancelRequest", R"({"id":"1"})"));
  EXPECT_EQ(error_of(client_.read_text()), "\"1\" -32800 cancelled");
}

TEST_F(RpcTest, CancellingTwiceOrTooLateOrNonsenseChangesNothing) {
  client_.send_text(notification("$/cancelRequest", R"({"id":1})"));
  client_.send_text(request("1", "test/wait"));
  client_.send_text(notification("$/cancelRequest", R"({"id":1})"));
  client_.send_text(notification("$/cancelRequest", R"({"id":1})"));
  EXPECT_EQ(error_of(client_.read_text()), "1 -32800 cancelled");
  for (const char* params :
       {R"({"id":1})", R"({})", R"({"id":{}})", R"({"id":null})", R"({"id":99})"})
    client_.send_text(notification("$/cancelRequest", params));
  client_.send_text(request("2", "ping"));
  EXPECT_EQ(client_.read_text(), result("2", "{}"));
}

TEST_F(RpcTest, DoesNotCancelTheCallsOfOthers) {
  RawClient other = server_.connect();
  client_.send_text(request("1", "test/wait"));
  other.send_text(request("2", "test/wait"));
  other.send_text(notification("$/cancelRequest", R"({"id":1})"));
  other.send_text(request("3", "ping"));
  EXPECT_EQ(other.read_text(), result("3", "{}"));
  EXPECT_EQ(server_.n_waits_ended(), 0);
}

TEST_F(RpcTest, RunsRequestsConcurrently) {
  client_.send_text(request("1", "test/wait"));
  EXPECT_EQ(reply_to(request("2", "ping")), result("2", "{}"));
}

TEST_F(RpcTest, AClientThatLeavesTakesItsRequestsAlong) {
  client_.send_text(request("1", "test/wait"));
  client_.send_text(request("2", "ping"));
  EXPECT_EQ(client_.read_text(), result("2", "{}"));
  client_.close();
  server_.http().stop(std::chrono::hours(1));  // returns when the connection is over
  EXPECT_EQ(server_.n_waits_ended(), 1);
  EXPECT_EQ(server_.gone().size(), 1u);
}

TEST(RpcLimits, RefusesTooManyRequestsAtOnce) {
  RpcOptions options;
  options.max_in_flight = 4;
  options.retry_after = std::chrono::milliseconds(77);
  RpcServer server(options);
  RawClient client = server.connect();
  for (int i = 1; i <= 4; ++i) client.send_text(request(std::to_string(i), "test/wait"));
  client.send_text(request("5", "ping"));
  std::string reply = client.read_text();
  EXPECT_THAT(error_of(reply), HasSubstr("5 -32001"));
  EXPECT_THAT(reply, HasSubstr(R"("retryAfterMs":77)"));
  client.send_text(notification("$/cancelRequest", R"({"id":2})"));
  EXPECT_EQ(error_of(client.read_text()), "2 -32800 cancelled");
  client.send_text(request("5", "ping"));
  EXPECT_EQ(client.read_text(), result("5", "{}"));
}

// J7.
TEST(RpcLife, RefusesCallsBeforeInitialize) {
  RpcServer server;
  RawClient client = server.connect_uninitialized();
  client.send_text(request("1", "ping"));
  EXPECT_EQ(error_of(client.read_text()), "1 -32002 the first request must be \"initialize\"");
  client.send_text(request("2", "no/such"));
  EXPECT_THAT(error_of(client.read_text()), HasSubstr("2 -32002"));
}

TEST(RpcLife, InitializeSaysWhatTheDaemonIsAndCan) {
  RpcOptions options;
  options.server_version = "0.1";
  options.epoch = "e1";
  options.heartbeat = std::chrono::milliseconds(123);
  options.dead_after = std::chrono::milliseconds(456);
  RpcServer server(options);
  RawClient client = server.connect_uninitialized();
  client.send_text(
      request("1", "initialize",
              R"({"client":{"name":"t","version":"1"},"protocol":1,"capabilities":{"x":1},)"
              R"("optOut":["usage"],"resume":{"epoch":"e1","cursors":{"s1":7}}})"));
  auto reply = json::parse_value(client.read_text());
  ASSERT_TRUE(reply);
  const json::Value& initialized = reply->at("result");
  EXPECT_EQ(initialized.at("server").at("name"), "hearth");
  EXPECT_EQ(initialized.at("server").at("version"), "0.1");
  EXPECT_EQ(initialized.at("epoch"), "e1");
  EXPECT_EQ(initialized.at("heartbeatMs"), 123);
  EXPECT_EQ(initialized.at("deadMs"), 456);
  EXPECT_EQ(initialized.at("maxMessageBytes"), 4 << 20);
  EXPECT_EQ(initialized.at("methods").as_array().at(0), "initialize");
}

TEST(RpcLife, NamesTheProtocolsItSpeaks) {
  RpcServer server;
  for (const char* protocol : {"0", "2", "-1"}) {
    RawClient client = server.connect_uninitialized();
    client.send_text(request(
        "1", "initialize",
        fmt::format(R"({{"client":{{"name":"t","version":"1"}},"protocol":{}}})", protocol)));
    EXPECT_THAT(error_of(client.read_text()), HasSubstr("expected 1 to 1")) << protocol;
  }
}

TEST(RpcLife, AClientHasToSayItsNameAndNothingElse) {
  RpcServer server;
  for (const char* params :
       {R"({"client":{"name":"t"}})", R"({"client":{"name":"t"},"resume":{"epoch":"e1"}})"}) {
    RawClient client = server.connect_uninitialized();
    client.send_text(request("1", "initialize", params));
    EXPECT_THAT(client.read_text(), HasSubstr("\"protocol\":1")) << params;
  }
  RawClient client = server.connect_uninitialized();
  client.send_text(request("1", "initialize", R"({"client":{}})"));
  EXPECT_THAT(error_of(client.read_text()), HasSubstr("params.client.name: missing"));
}

TEST(RpcLife, ASecondInitializeIsRefused) {
  RpcServer server;
  RawClient client = server.connect();
  client.send_text(
      request("1", "initialize", R"({"client":{"name":"t","version":"1"},"protocol":1})"));
  EXPECT_THAT(error_of(client.read_text()), HasSubstr("initialized already"));
}

// N10.
TEST_F(RpcTest, EventsFollowOneAnotherInOrder) {
  client_.send_text(request("1", "test/emit", R"({"count":100,"bytes":1000})"));
  int n_events = 0;
  bool is_answered = false;
  while (n_events < 100 || !is_answered) {
    std::string text = client_.read_text();
    ASSERT_FALSE(text.empty());
    if (text.find("\"id\":1") != std::string::npos)
      is_answered = true;
    else
      EXPECT_THAT(text, HasSubstr(fmt::format("\"seq\":{},", n_events++)));
  }
  client_.send_text(request("2", "test/drained"));
  EXPECT_EQ(client_.read_text(), result("2", "{}"));
}

TEST_F(RpcTest, AnswersOvertakeEvents) {
  client_.send_text(request("1", "test/emit", R"({"count":50,"bytes":200000})"));
  for (int n_events = 0;; ++n_events) {
    std::string text = client_.read_text();
    ASSERT_FALSE(text.empty());
    if (text.find("\"id\":1") == std::string::npos) continue;
    EXPECT_LE(n_events, 1) << "an event that was being written is finished first";
    break;
  }
}

TEST_F(RpcTest, TellsWhenTheStreamHasDrained) {
  client_.send_text(request("1", "test/emit", R"({"count":20,"bytes":500000})"));
  client_.send_text(request("2", "test/drained"));
  int n_events = 0;
  for (std::string text; (text = client_.read_text()) != result("2", "{}");) {
    ASSERT_FALSE(text.empty());
    if (text.find("\"seq\"") != std::string::npos) ++n_events;
  }
  EXPECT_EQ(n_events, 20);
}

TEST(RpcLimits, AStreamThatIsNotReadIsBounded) {
  RpcOptions options;
  options.max_stream_bytes = 1 << 20;
  HttpOptions http;
  http.linger = std::chrono::milliseconds(20);
  RpcServer server(options, http);
  RawClient stuck = server.connect();
  RawClient other = server.connect();
  stuck.send_text(request("1", "test/emit", R"({"count":100,"bytes":1000000})"));
  other.send_text(request("1", "ping"));
  EXPECT_EQ(other.read_text(), result("1", "{}"));
  EXPECT_TRUE(stuck.is_closed_by_peer());
}

TEST(RpcLimits, OneTextMayBeLargerThanTheStreamMayGrow) {
  RpcOptions options;
  options.max_stream_bytes = 1 << 20;
  RpcServer server(options);
  RawClient client = server.connect();
  client.send_text(request("1", "test/emit", R"({"count":1,"bytes":3000000})"));
  client.send_text(request("2", "test/emit", R"({"count":1,"bytes":10})"));
  size_t n_bytes = 0;
  for (int n_texts = 0; n_texts < 4; ++n_texts) n_bytes += client.read_text().size();
  EXPECT_GT(n_bytes, 3000000u);
  client.send_text(request("3", "ping"));
  EXPECT_EQ(client.read_text(), result("3", "{}"));
}

// What has been sent counts no longer, however large it was.
TEST_F(RpcTest, SmallTextsBehindALargeOneAreNotAPile) {
  client_.send_text(request("1", "test/emitBehindALargeOne", R"({"count":30,"bytes":500000})"));
  int n_texts = 0;
  while (n_texts < 33 && !client_.read_text().empty()) ++n_texts;
  EXPECT_EQ(n_texts, 33);  // a large one, thirty, one more, the answer
  client_.send_text(request("2", "ping"));
  EXPECT_EQ(client_.read_text(), result("2", "{}"));
}

TEST(RpcLimits, WhatIsQueuedComesBeforeTheGoodbye) {
  HttpOptions http;
  http.linger = std::chrono::hours(1);
  RpcServer server({}, http);
  RawClient client = server.connect();
  client.send_text(request("1", "test/emit", R"({"count":10,"bytes":1000000})"));
  EXPECT_FALSE(client.read_text().empty());
  std::thread stopping([&] { server.http().stop(std::chrono::hours(1)); });
  int n_texts = 1;
  while (!client.read_text().empty()) ++n_texts;
  client.close();
  stopping.join();
  EXPECT_EQ(n_texts, 11);  // ten events and the answer
}

TEST(RpcLimits, AClientThatDoesNotReadAnswersIsNotReadFrom) {
  RpcOptions options;
  options.max_in_flight = 8;
  HttpOptions http;
  http.ws_ping_interval = std::chrono::milliseconds(20);
  http.write_deadline = std::chrono::milliseconds(100);
  RpcServer server(options, http);
  RawClient client = server.connect();
  std::string text = request("1", std::string(100, 'm'));
  while (client.send_text(text)) {
  }
  server.http().stop(std::chrono::hours(1));
  EXPECT_EQ(server.gone().size(), 1u) << "cut off, and nothing piled up";
}

TEST(Dispatcher, DescribesItsMethods) {
  jsonrpc::Dispatcher dispatcher;
  bind_life_methods(dispatcher);
  json::Object methods = dispatcher.describe()["methods"].as_object();
  EXPECT_EQ(methods.size(), 2u);
  EXPECT_EQ(methods["initialize"].at("params").at("properties").at("protocol").at("type"),
            "integer");
  EXPECT_EQ(methods["ping"].at("result").at("type"), "object");
}

TEST(Dispatcher, EveryErrorHasACodeOfItsOwn) {
  std::set<int> codes;
  for (const auto& [code, name] : EnumNames<Errc>::names) codes.insert(jsonrpc::code_of(code));
  EXPECT_EQ(codes.size(), std::size(EnumNames<Errc>::names));
}

}  // namespace
}  // namespace hearth::transport
