// Ten thousand sessions of clients that quote, number, escape, encode and pass on labelled text:
// none of it is ever given to a target that may not see it. Fixed seeds; no network, no engine.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "daemon/session/loop.h"
#include "privacy/normal_text.h"
#include "privacy/shingles.h"
#include "router/labeller.h"
#include "router/router.h"
#include "support/json.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

constexpr int kSessions = 10'000, kFiles = 40;

struct Dice {
  std::mt19937 engine;
  explicit Dice(uint32_t seed) : engine(seed) {}
  size_t below(size_t n) { return engine() % n; }
  bool chance(size_t one_in) { return below(one_in) == 0; }
  std::string word() {
    std::string out;
    for (size_t i = 0, n = 3 + below(6); i < n; ++i) out += static_cast<char>('a' + below(26));
    return out;
  }
  std::string prose(size_t n_words) {
    std::string out;
    for (size_t i = 0; i < n_words; ++i)
      out += word() + (chance(7) ? ",\n  " : chance(9) ? "(\"" : " ");
    return out;
  }
};

struct NoLog : DecisionLog {
  void decided(const DecisionRecord&) override {}
  void ended(const DecisionRecord&, const Answer&) override {}
};

// Answers with a text of its own; keeps what it was given.
class Scribe : public Provider {
 public:
  explicit Scribe(Dice& dice) : dice_(dice) {}
  TargetState state(const Target&) const override { return {}; }
  Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink,
                        Attempt&) override {
    ++n_requests;
    given = json::encode(request.body);
    seen_by = target.name;
    StreamDelta delta;
    delta.text = dice_.prose(12);
    sink(delta);
    Completion completion;
    completion.message = text_message(Role::assistant, delta.text);
    co_return completion;
  }
  size_t n_requests = 0;
  std::string given, seen_by;

 private:
  Dice& dice_;
};

std::string dressed(const std::string& text, Dice& dice) {
  auto by_line = [&](auto dress) {
    std::string out, line;
    size_t n = 1 + dice.below(200);
    for (char c : text + "\n")
      if (c == '\n') {
        out += dress(line, n++) + "\n";
        line.clear();
      } else {
        line += c;
      }
    return out;
  };
  switch (dice.below(9)) {
    case 0: return by_line([](auto& line, size_t n) { return fmt::format("{:5}\t{}", n, line); });
    case 1:
      return by_line([](auto& line, size_t n) { return fmt::format("a/b.cc:{}:{}", n, line); });
    case 2: return by_line([](auto& line, size_t) { return "> " + line; });
    case 3: return json::quote(text);
    case 4: return json::quote("{\"text\":" + json::quote(text) + "}");
    case 5: {
      std::string out;
      for (unsigned char c : text)
        out += std::isalnum(c) ? std::string(1, c) : fmt::format("%{:02x}", c);
      return out;
    }
    case 6: {
      std::string out;
      for (char c : text) out += c == '\n' || c == ' ' ? "  \n" : std::string(1, c);
      return out;
    }
    case 7: {
      std::string out = "hex: ";
      for (unsigned char c : text) out += fmt::format("{:02x}", c);
      return out;
    }
    default: return text;
  }
}

class LeakTest : public ::testing::Test {
 protected:
  LeakTest() {
    std::filesystem::create_directories(folder / "pinned");
    for (int i = 0; i < kFiles; ++i) {
      files.push_back(dice.prose(60 + dice.below(200)));
      std::ofstream(folder / fmt::format("pinned/{}.txt", i)) << files.back();
    }
    Policy made;
    made.trust_floor = Trust::trains;
    made.roots = {folder.path()};
    made.labels = {{"pinned", {"pinned/**", "tool:vault"}, Trust::local},
                   {"team", {"tool:wiki"}, Trust::self_hosted}};
    const std::pair<const char*, Trust> targets[] = {{"here", Trust::local},
                                                     {"rack", Trust::self_hosted},
                                                     {"cloud", Trust::retained},
                                                     {"web", Trust::trains}};
    for (const auto& [name, trust] : targets) {
      Target& target = made.targets.emplace_back();
      target.name = target.model = name;
      target.kind = trust == Trust::local ? TargetKind::engine : TargetKind::api;
      target.trust = trust;
      // The less trusted the better the deal, so that only labels keep requests at home.
      target.price = Price{};
      target.ttft_ms = 1000.0 - 100.0 * static_cast<double>(trust);
      target.quality = 0.2 * static_cast<double>(trust);
    }
    made.value = {1, 1};
    policy = std::make_shared<const Policy>(std::move(made));
  }

  struct Secret {
    std::string letters;  // a part of what must not be seen
    Trust at_most;
  };

  void remember(const std::string& text, Trust at_most) {
    const std::string letters = normal_text(text).letters;
    if (letters.size() >= 24)
      secrets.push_back({letters.substr(letters.size() / 2 - 10, 20), at_most});
  }

  std::string excerpt() {
    const std::string& file = files[dice.below(files.size())];
    for (;;) {
      const size_t begin = dice.below(file.size()), n = 60 + dice.below(200);
      std::string part = file.substr(begin, n);
      if (normal_text(part).letters.size() >= kMinMatch) return part;
    }
  }

  // One turn: what a client adds to its conversation, and where it asks to go.
  void add_turn(CompletionRequest& conversation, RequestFacts& facts) {
    Message& message = conversation.messages.emplace_back(text_message(Role::user, dice.prose(10)));
    const size_t kind = dice.below(10);
    if (kind == 0) {
      const std::string text = excerpt();
      remember(text, Trust::local);
      message.blocks.emplace_back().content = Text{"Look: " + dressed(text, dice)};
    } else if (kind == 1) {
      const std::string text = excerpt();
      remember(text, Trust::local);
      message.blocks.emplace_back().content = ToolResult{"c", dressed(text, dice), false};
    } else if (kind == 2) {
      const std::string text = dice.prose(15);
      const bool is_vault = dice.chance(2);
      remember(text, is_vault ? Trust::local : Trust::self_hosted);
      message.blocks.emplace_back().content = ToolResult{"c", text, false};
      message.blocks.back().source = Source{{}, {}, is_vault ? "vault" : "wiki"};
    } else if (kind == 3) {
      const std::string text = dice.prose(8);
      facts.labels = {"pinned"};
      remember(text, Trust::local);
      message.blocks.emplace_back().content = Text{text};
    } else if (kind == 4 && !labelled_answers.empty()) {
      // A summary, a title, another client: an earlier answer without a word on its origin.
      message.blocks.emplace_back().content =
          Text{"Earlier: " + dressed(labelled_answers[dice.below(labelled_answers.size())], dice)};
    }
    static constexpr const char* kModels[] = {"auto", "auto:best", "cloud", "web", "rack", "local"};
    facts.model = kModels[dice.below(std::size(kModels))];
  }

  test::TemporaryFolder folder;
  hearth::test::Loop loop;
  Dice dice{20261130};
  std::vector<std::string> files;
  std::shared_ptr<const Policy> policy;
  Labeller labeller{loop.executor()};
  Scribe scribe{dice};
  NoLog log;
  Router router{{[this](TargetKind) -> Provider& { return scribe; }, [this] { return policy; }, log,
                 &labeller}};
  std::vector<Secret> secrets;
  std::vector<std::string> labelled_answers;
};

TEST_F(LeakTest, NothingLabelledReachesWhoMayNotSeeIt) {
  size_t n_abroad = 0, n_refused = 0;
  for (int session = 0; session < kSessions; ++session) {
    CompletionRequest conversation;
    secrets.clear();
    if (labelled_answers.size() > 64) labelled_answers.erase(labelled_answers.begin());
    for (size_t turn = 0, n = 1 + dice.below(4); turn < n; ++turn) {
      RouteRequest request;
      request.facts.id = fmt::format("{}/{}", session, turn);
      const size_t n_known = secrets.size();
      add_turn(conversation, request.facts);
      const bool is_said = !request.facts.labels.empty();
      request.body = conversation;
      const size_t n_before = scribe.n_requests;
      Decision decision;
      Answer answer = loop.run(router.complete(
          request, [](const StreamDelta&) {}, [&](const Decision& made) { decision = made; }));
      if (scribe.n_requests == n_before) {
        ++n_refused;
        conversation.messages.pop_back();  // a client that was refused leaves it out
        secrets.resize(n_known);
        continue;
      }
      ASSERT_TRUE(answer) << answer.error().message;
      auto target = std::ranges::find(policy->targets, scribe.seen_by, &Target::name);
      n_abroad += target->trust > Trust::self_hosted;
      if (!secrets.empty() || !labelled_answers.empty()) {
        const std::string letters = normal_text(scribe.given).letters;
        for (const Secret& secret : secrets)
          ASSERT_TRUE(target->trust <= secret.at_most ||
                      letters.find(secret.letters) == letters.npos)
              << "seed session " << session << ": " << target->name << " was shown "
              << secret.letters;
        for (const std::string& earlier : labelled_answers) {
          const std::string part = normal_text(earlier).letters.substr(5, 20);
          ASSERT_TRUE(target->trust == Trust::local || letters.find(part) == letters.npos)
              << "session " << session << ": an earlier answer";
        }
      }
      // What was said with the request counts for that request; its text is in no file.
      if (is_said) {
        conversation.messages.pop_back();
        secrets.resize(n_known);
      } else {
        conversation.messages.push_back(answer->message);
        // As a client of a stateless wire sends it back: without labels.
        for (Block& block : conversation.messages.back().blocks) block.labels.clear();
      }
      if (std::ranges::count(decision.labels, std::string("pinned")) > 0)
        labelled_answers.push_back(text_of(answer->message));
    }
  }
  EXPECT_GT(n_abroad, static_cast<size_t>(kSessions) / 4) << "most is not labelled";
  EXPECT_GT(n_refused, static_cast<size_t>(kSessions) / 20);
}

}  // namespace
}  // namespace hearth::router
