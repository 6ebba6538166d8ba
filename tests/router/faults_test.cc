// Everything that can go wrong with an upstream, 1,000 seeds for each wire, on a simulated clock:
// R1-R10 of the fault table. Whatever happens, a request has an end; an answer is whole, said once,
// and from one upstream; a call is run at most once, and only of a whole answer; what is written
// down for the ledger is what the upstream bills, or says that it is an estimate.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <deque>
#include <random>
#include <set>

#include "router/providers.h"
#include "router/router.h"
#include "router/wire_scripts.h"
#include "support/json.h"
#include "support/simulated_clock.h"
#include "support/simulated_upstream.h"

namespace hearth::router {
namespace {

using std::chrono::milliseconds;
using testing::SimulatedAnswer;
using testing::SimulatedClock;
using End = SimulatedAnswer::End;

enum class Fault {
  none,
  no_server,
  no_hello,
  silence,
  reset_before_head,
  stall,
  cut,
  early_end,
  slow,
  rate_limited,
  unpaid,
  overloaded,
  refused,
  no_stream,
  not_json,
  error_event,
  odd_events,
  no_usage,
  odd_usage,
  suspended,
  date_jumps,
  withdrawn,
  last_
};

// What an upstream was asked, what it gave and what it bills for it.
struct Served {
  std::string target;
  Fault fault = Fault::none;
  std::string text, call_id;
  bool is_whole = false;      // the client could hear all of it
  std::optional<Usage> bill;  // absent: nobody but the upstream knows
};

// Bills as the ledger does; checks that each hold has one end.
struct Purse : Account {
  Means means(const Policy&, const RequestFacts&, const Target&,
              std::optional<Effort>) const override {
    return {};
  }
  void recall(RequestFacts&) const override {}
  Task<Result<Hold>> reserve(Spend spend) override {
    Hold hold;
    hold.id = static_cast<int64_t>(prices.size());
    prices.push_back(*spend.price);
    open.insert(hold.id);
    co_return hold;
  }
  PicoUsd settle(const Hold& hold, const Settlement& settlement) override {
    EXPECT_EQ(open.erase(hold.id), 1u);
    const Price& price = prices.at(static_cast<size_t>(hold.id));
    last = bill(settlement.reported.value_or(settlement.estimate), price, 0);
    return *last;
  }
  void release(const Hold& hold) override { EXPECT_EQ(open.erase(hold.id), 1u); }
  std::vector<Price> prices;
  std::set<int64_t> open;
  std::optional<PicoUsd> last;
};

struct Log : DecisionLog {
  explicit Log(Purse& paid) : purse(paid) {}
  void decided(const DecisionRecord& record) override { decision = record.decision; }
  void attempted(const DecisionRecord&, const AttemptRecord& attempt) override {
    attempts.push_back(attempt);
    costs.push_back(std::exchange(purse.last, std::nullopt).value_or(PicoUsd()));
  }
  void ended(const DecisionRecord&, const Answer&) override { ++n_ended; }
  Decision decision;
  Purse& purse;
  std::vector<AttemptRecord> attempts;
  std::vector<PicoUsd> costs;  // of each
  int n_ended = 0;
};

class World {
 public:
  World(std::string wire, uint64_t seed) : wire_(std::move(wire)), dice_(seed) {
    auto policy = std::make_shared<Policy>();
    policy->targets = {target("first", wire_, 1), target("second", "chat", 2)};
    policy_ = std::move(policy);
    request_.facts.id = "r1";
    request_.body.messages = {text_message(Role::user, std::string(100 + below(400), 'q'))};
    request_.body.tools = {{"run", "Runs", {R"({"type":"object"})"}, {}}};
  }

  void go() {
    net::cancellation_signal withdraw;
    if (chance(12)) withdraw_after(withdraw, milliseconds(below(3000)));
    Task<> asking = ask();
    net::co_spawn(io_, std::move(asking),
                  net::bind_cancellation_slot(withdraw.slot(), [](std::exception_ptr) {}));
    clock_.run();
    check();
  }

 private:
  uint64_t below(uint64_t n) { return dice_() % n; }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }

  static Target target(std::string name, std::string wire, double price) {
    Target made;
    made.name = name;
    made.kind = TargetKind::api;
    made.provider = "acme";
    made.wire = std::move(wire);
    made.model = "m";
    made.base_url = "http://" + name;
    made.trust = Trust::retained;
    made.price = Price{price, price / 10, price * 4};
    return made;
  }

  Task<> ask() {
    DeltaSink sink = [this](const StreamDelta& delta) {
      if (delta.kind == StreamDelta::Kind::text) shown_ += delta.text;
      if (delta.kind == StreamDelta::Kind::tool_call) is_call_shown_ = true;
      if ((!shown_.empty() || is_call_shown_) && !spoke_) spoke_ = served_.size();
    };
    RouteRequest request = request_;
    answer_ = co_await router_.complete(std::move(request), std::move(sink), {});
  }

  Task<> emit_later(net::cancellation_signal& signal, milliseconds after) {
    Task<> wait = clock_.wait_until(clock_.now() + after);
    co_await std::move(wait);
    signal.emit(net::cancellation_type::terminal);
  }
  void withdraw_after(net::cancellation_signal& signal, milliseconds after) {
    is_withdrawn_ = true;
    Task<> later = emit_later(signal, after);
    net::co_spawn(io_, std::move(later), [](std::exception_ptr) {});
  }
  Task<> jump_later(milliseconds after, milliseconds by) {
    Task<> wait = clock_.wait_until(clock_.now() + after);
    co_await std::move(wait);
    clock_.jump(clock_.now() + by);
  }

  ScriptedAnswer script(Served& served) {
    ScriptedAnswer answer;
    if (chance(3)) answer.thoughts = {"hm ", "so"};
    const uint64_t n_pieces = 1 + below(6);
    for (uint64_t i = 0; i < n_pieces; ++i)
      answer.texts.push_back(fmt::format("{}.{} wörd ", served_.size(), i));
    for (const std::string& piece : answer.texts) served.text += piece;
    if (chance(2)) {
      answer.call = ToolCall{fmt::format("call-{}", served_.size()), "run", R"({"a":1,"b":"é"})"};
      served.call_id = answer.call->id;
    }
    Usage usage;
    usage.n_prompt = static_cast<uint32_t>(10 + below(5000));
    usage.n_cached = static_cast<uint32_t>(below(usage.n_prompt));
    usage.n_completion = static_cast<uint32_t>(1 + below(300));
    answer.usage = usage;
    return answer;
  }

  // Any split of the bytes, with pauses.
  void send(SimulatedAnswer& answer, std::string_view bytes, uint64_t most = 400) {
    while (!bytes.empty()) {
      const size_t n = std::min<size_t>(bytes.size(), 1 + below(most));
      answer.parts.push_back({milliseconds(below(200)), std::string(bytes.substr(0, n))});
      bytes.remove_prefix(n);
    }
  }

  SimulatedAnswer refusal(int status, std::string_view code, std::string_view message,
                          std::vector<std::pair<std::string, std::string>> headers = {}) {
    SimulatedAnswer answer;
    answer.status = status;
    answer.headers = std::move(headers);
    answer.headers.emplace_back("content-type", "application/json");
    send(answer, fmt::format(R"({{"error":{{"message":"{}","code":"{}"}}}})", message, code));
    return answer;
  }

  Fault pick() {
    if (storm_ > 0) {
      --storm_;
      return Fault::overloaded;
    }
    if (served_.size() > 1 && !chance(3)) return Fault::none;
    return static_cast<Fault>(below(static_cast<uint64_t>(Fault::last_)));
  }

  SimulatedAnswer serve(const OutboundRequest& asked) {
    Served served;
    served.target = asked.url.starts_with("http://first") ? "first" : "second";
    served.fault = pick();
    const std::string wire = served.target == "first" ? wire_ : "chat";
    SimulatedAnswer answer = give(wire, served);
    served_.push_back(served);
    return answer;
  }

  SimulatedAnswer give(const std::string& wire, Served& served) {
    ScriptedAnswer script = this->script(served);
    served.bill = Usage{};
    SimulatedAnswer answer;
    answer.headers = {{"content-type", "text/event-stream"}};
    answer.head_after = milliseconds(20 + below(2000));
    switch (served.fault) {
      case Fault::no_server: answer.end = End::no_server; return answer;
      case Fault::no_hello: answer.end = End::no_hello; return answer;
      case Fault::rate_limited: {
        const char* waits[] = {"2", "0", "1000000000", "Wed, 21 Oct 2026 12:00:05 GMT", "soon", ""};
        const std::string wait = waits[below(6)];
        return wait.empty() ? refusal(429, "rate_limit_exceeded", "slow")
                            : refusal(429, "rate_limit_exceeded", "slow", {{"retry-after", wait}});
      }
      case Fault::unpaid: return refusal(429, "insufficient_quota", "none left");
      case Fault::overloaded:
        if (storm_ == 0 && chance(2)) storm_ = static_cast<int>(below(6));
        return refusal(chance(2) ? 529 : 503, "", "overloaded");
      case Fault::refused: {
        const int statuses[] = {400, 401, 402, 403, 404, 413, 422};
        return refusal(statuses[below(7)], "", "no");
      }
      case Fault::silence:
      case Fault::reset_before_head:
        answer.has_head = false;
        answer.end = served.fault == Fault::silence ? End::silent : End::cut;
        served.bill.reset();
        return answer;
      case Fault::no_stream:
        answer.headers = {{"content-type", "text/html"}};
        send(answer, "<html>log in</html>");
        served.bill.reset();
        return answer;
      default: break;
    }

    if (served.fault == Fault::no_usage) script.usage.reset();
    std::vector<std::string> events = events_of(wire, script);
    auto any_place = [&] { return events.begin() + static_cast<long>(below(events.size())); };
    if (served.fault == Fault::not_json) events.insert(any_place(), "data: {not json\n\n");
    if (served.fault == Fault::error_event) events.insert(any_place(), error_event(wire, "boom"));
    if (served.fault == Fault::odd_events)
      for (const char* odd : {": keep-alive\n\n", "\n\n", "data: {\"type\":\"new\"}\n\n",
                              "event: x\n\n", "id: 7\nretry: 1\n\n"})
        events.insert(any_place(), odd);
    std::string bytes;
    for (const std::string& event : events) bytes += event;
    // Up to here the last word is certainly not complete: on the chat wire what counts the tokens,
    // and [DONE], come behind it.
    size_t n_cut = bytes.size() - 5;
    if (wire == "chat" && script.usage) n_cut -= events.back().size() + (events.end() - 2)->size();
    if (wire == "chat" && !script.usage) n_cut -= events.back().size();
    if (served.fault == Fault::odd_events && chance(2)) bytes += "data: [DONE]\n\n";
    if (served.fault == Fault::odd_usage) make_odd(bytes);

    served.is_whole = true;
    served.bill = script.usage;
    const bool is_cut = served.fault == Fault::stall || served.fault == Fault::cut ||
                        served.fault == Fault::early_end || served.fault == Fault::suspended;
    if (is_cut) {
      bytes.resize(below(n_cut));
      served.is_whole = false;
      served.bill.reset();
      answer.end = served.fault == Fault::early_end ? End::clean
                   : served.fault == Fault::cut     ? End::cut
                                                    : End::silent;
    }
    if (chance(4)) change_line_ends(bytes, chance(2) ? "\r\n" : "\r");
    if (served.fault == Fault::not_json || served.fault == Fault::error_event) {
      served.is_whole = false;
      served.bill.reset();
    }
    if (served.fault == Fault::suspended) jump(milliseconds(below(4000)), std::chrono::hours(8));
    if (served.fault == Fault::date_jumps)
      clock_.set_date_back(std::chrono::hours(chance(2) ? 24 : -24));
    if (served.fault == Fault::slow)
      for (char c : bytes) answer.parts.push_back({milliseconds(1000), std::string(1, c)});
    else
      send(answer, bytes);
    return answer;
  }

  void jump(milliseconds after, milliseconds by) {
    Task<> later = jump_later(after, by);
    net::co_spawn(io_, std::move(later), [](std::exception_ptr) {});
  }

  // Counts that no upstream can mean.
  void make_odd(std::string& bytes) {
    for (std::string_view name :
         {"\"prompt_tokens\":", "\"input_tokens\":", "\"promptTokenCount\":"})
      if (size_t at = bytes.find(name); at != bytes.npos)
        bytes.insert(at + name.size(), chance(2) ? "-" : "99999999999");
  }
  static void change_line_ends(std::string& bytes, std::string_view end) {
    std::string changed;
    for (char c : bytes) c == '\n' ? changed += end : changed += c;
    bytes = std::move(changed);
  }

  void check() {
    ASSERT_TRUE(answer_ || is_withdrawn_) << "a request hangs";
    EXPECT_EQ(log_.n_ended, 1);
    EXPECT_LE(log_.attempts.size(), 6u);
    ASSERT_EQ(log_.attempts.size(), served_.size()) << "each attempt is written down";
    EXPECT_LT(clock_.now() - began_, std::chrono::hours(30));
    EXPECT_TRUE(purse_.open.empty()) << "every hold has an end";
    for (size_t i = 0; i < served_.size(); ++i)
      check_bill(served_[i], log_.attempts[i], log_.costs[i].pico());
    if (spoke_) {
      EXPECT_EQ(*spoke_, served_.size()) << "after the first word nobody else is asked";
    }
    if (answer_ && *answer_)
      check_answer(**answer_);
    else
      check_failure();
  }

  void check_answer(const Completion& completion) {
    const Served& last = served_.back();
    EXPECT_TRUE(last.is_whole) << "fault " << static_cast<int>(last.fault);
    EXPECT_EQ(text_of(completion.message), last.text);
    EXPECT_EQ(shown_, last.text) << "said once, by one";
    std::vector<std::string> calls;
    for (const Block& block : completion.message.blocks)
      if (auto* call = std::get_if<ToolCall>(&block.content)) {
        calls.push_back(call->id);
        EXPECT_TRUE(json::parse_value(call->arguments)) << call->arguments;
      }
    if (last.call_id.empty())
      EXPECT_TRUE(calls.empty());
    else
      EXPECT_THAT(calls, ::testing::ElementsAre(last.call_id));
    EXPECT_EQ(completion.finish_reason == FinishReason::tool_calls, !last.call_id.empty());
  }

  void check_failure() {
    if (!shown_.empty()) {
      EXPECT_TRUE(served_.back().text.starts_with(shown_)) << "a part of one answer";
    }
    if (answer_) {
      EXPECT_FALSE((*answer_).error().message.empty());
    }
  }

  // In pico-dollars, by the upstream's own reckoning: a million tokens cost 1 or 2 dollars, a tenth
  // of it where they are cached, four times as much where they are written.
  static int64_t bill_of(const Served& served) {
    const int64_t one = served.target == "first" ? 1'000'000 : 2'000'000;
    const Usage& usage = *served.bill;
    return one * (usage.n_prompt - usage.n_cached) + one / 10 * usage.n_cached +
           4 * one * usage.n_completion;
  }

  void check_bill(const Served& served, const AttemptRecord& record, int64_t cost) {
    EXPECT_GE(cost, 0);
    EXPECT_EQ(record.target, served.target);
    const Usage& usage = record.usage;
    EXPECT_LE(uint64_t{usage.n_cached} + usage.n_cache_write + usage.n_cache_write_1h,
              usage.n_prompt);
    if (!record.failed_as && served.fault != Fault::no_usage && served.fault != Fault::odd_usage) {
      ASSERT_TRUE(served.bill);
      EXPECT_EQ(record.basis, UsageBasis::reported);
      EXPECT_EQ(usage.n_prompt, served.bill->n_prompt);
      EXPECT_EQ(cost, bill_of(served)) << "to the pico-dollar";
      return;
    }
    const bool is_free =
        served.bill && served.bill->n_prompt == 0 && served.bill->n_completion == 0;
    if (record.failed_as && is_free) {
      // Refused: nothing is owed. Withdrawn before that was known: an estimate says so.
      if (record.basis == UsageBasis::reported) {
        EXPECT_EQ(cost, 0);
      }
      return;
    }
    EXPECT_GT(cost, 0) << "it is not dropped";
    EXPECT_NE(record.basis, UsageBasis::reported)
        << "nobody said what it costs, fault " << static_cast<int>(served.fault);
  }

  std::string wire_;
  std::mt19937_64 dice_;
  net::io_context io_{1};
  SimulatedClock clock_{io_};
  const Clock::Time began_ = clock_.now();
  std::shared_ptr<const Policy> policy_;
  std::unique_ptr<Provider> remote_ = make_remote_provider(
      std::make_unique<testing::SimulatedTransport>(
          clock_, [this](const OutboundRequest& asked) { return serve(asked); }),
      clock_);
  Purse purse_;
  Log log_{purse_};
  Router router_{Router::Services{
      .provider = [this](TargetKind) -> Provider& { return *remote_; },
      .policy = [this] { return policy_; },
      .log = log_,
      .account = &purse_,
      .clock = clock_,
      .random = [this] { return std::uniform_real_distribution<double>(0, 1)(dice_); }}};
  RouteRequest request_;
  std::optional<Answer> answer_;
  std::string shown_;
  bool is_call_shown_ = false, is_withdrawn_ = false;
  std::optional<size_t> spoke_;  // how many had been asked when the first word was shown
  std::vector<Served> served_;
  int storm_ = 0;
};

class Faults : public ::testing::TestWithParam<const char*> {};

TEST_P(Faults, AThousandSeeds) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(fmt::format("{} seed {}", GetParam(), seed));
    World(GetParam(), seed).go();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Wires, Faults,
                         ::testing::Values("chat", "responses", "messages", "gemini"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace hearth::router
