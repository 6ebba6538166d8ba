// What a request's texts put on it: from files, detectors, earlier answers; and how it comes off.
#include "router/labeller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/session/loop.h"
#include "router/router.h"
#include "support/file.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kSecretText =
    "The merger with Polaris is signed on the ninth; until then nobody outside the board knows.\n"
    "Price: eleven euros forty a share, four of them in new stock.\n";

class LabellerTest : public ::testing::Test {
 protected:
  LabellerTest() {
    write("board/minutes.md", kSecretText);
    policy.roots = {folder.path()};
    policy.labels = {{"board", {"board/**", "tool:vault"}, Trust::local},
                     {"key", {"detector:key"}, Trust::local}};
  }
  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::vector<std::string> labels(CompletionRequest body) {
    request = {};
    request.body = std::move(body);
    if (!snapshot) snapshot = std::make_shared<const Policy>(policy);
    auto done = loop.run(labeller.label(snapshot, request));
    EXPECT_TRUE(done) << done.error().message;
    return request.facts.labels;
  }
  std::vector<std::string> labels(const std::string& text) {
    CompletionRequest body;
    body.messages = {text_message(Role::user, text)};
    return labels(std::move(body));
  }
  void set_policy() { snapshot = std::make_shared<const Policy>(policy); }

  test::TemporaryFolder folder, state;
  hearth::test::Loop loop;
  Labeller labeller{loop.executor(), state.path()};
  Policy policy;
  std::shared_ptr<const Policy> snapshot;
  RouteRequest request;
};

TEST_F(LabellerTest, AnExcerptWithoutASourceIsKnownByItsText) {
  EXPECT_THAT(labels("What do you make of this?\n\n" + kSecretText), ElementsAre("board"));
  ASSERT_THAT(request.facts.label_causes, ::testing::SizeIs(1));
  const LabelCause& cause = request.facts.label_causes[0];
  EXPECT_EQ(cause.why, "text of board/minutes.md");
  EXPECT_EQ(cause.message, 1u);
  EXPECT_EQ(cause.text.size(), 32u);
  EXPECT_THAT(request.body.messages[0].blocks[0].labels, ElementsAre("board"));
  EXPECT_THAT(request.manifest.sources, ElementsAre("board/minutes.md"));
  EXPECT_THAT(request.manifest.blocks, ElementsAre(cause.text));
  EXPECT_THAT(labels("What is the capital of France?"), IsEmpty());
}

// While a long text is read another request brings a new key, which makes all readings old.
TEST_F(LabellerTest, WhatIsForgottenWhileARequestIsReadIsReadAgain) {
  EXPECT_THAT(labels(kSecretText), ElementsAre("board"));
  CompletionRequest body;
  body.messages = {text_message(Role::user, kSecretText)};
  std::string filler;
  for (int i = 0; i < 4000; ++i) filler += "line " + std::to_string(i) + " of a long report\n";
  body.messages.push_back(text_message(Role::assistant, filler));
  net::post(loop.executor(), [&] {
    labeller.guard("a-key-of-the-first-kind-8fJ2kQ9z");
    net::post(loop.executor(), [&] { labeller.guard("a-key-of-the-second-kind-Zq81LmX4"); });
  });
  EXPECT_THAT(labels(std::move(body)), ElementsAre("board"));
}

// Wherever in a request it stands: all of it would leave.
TEST_F(LabellerTest, EveryPartOfARequestIsRead) {
  auto with = [&](auto put) {
    CompletionRequest body;
    body.messages = {text_message(Role::user, "hello there, my friend")};
    put(body);
    return labels(std::move(body));
  };
  auto add_block = [](CompletionRequest& body, auto content) {
    body.messages[0].blocks.emplace_back().content = std::move(content);
  };
  const std::string& text = kSecretText;
  const std::vector<std::string> board{"board"};
  EXPECT_EQ(with([&](auto& body) { body.prompt = text; }), board);
  EXPECT_EQ(with([&](auto& body) { add_block(body, Reasoning{text, {}}); }), board);
  EXPECT_EQ(with([&](auto& body) { add_block(body, ToolCall{"c1", "write", text}); }), board);
  EXPECT_EQ(with([&](auto& body) { add_block(body, ToolResult{"c1", text, false}); }), board);
  EXPECT_EQ(with([&](auto& body) { add_block(body, Opaque{"p", {"{\"x\":\"" + text + "\"}"}}); }),
            board);
  EXPECT_EQ(with([&](auto& body) { add_block(body, Image{"file:" + text, ""}); }), board);
  EXPECT_EQ(with([&](auto& body) { body.messages[0].name = text; }), board);
  EXPECT_EQ(with([&](auto& body) { body.tools = {{"t", text, {}, ""}}; }), board);
  EXPECT_EQ(with([&](auto& body) { body.tools = {{"t", "", {"{\"a\":\"" + text + "\"}"}, ""}}; }),
            board);
  EXPECT_EQ(with([&](auto& body) { body.stop = {text}; }), board);
  EXPECT_EQ(with([&](auto& body) { body.template_variables.text = "{\"a\":\"" + text + "\"}"; }),
            board);
  EXPECT_EQ(
      with([&](auto& body) { body.response_format.schema.text = "{\"t\":\"" + text + "\"}"; }),
      board);
}

TEST_F(LabellerTest, AnExcerptCutBetweenBlocksIsFound) {
  CompletionRequest body;
  body.messages = {text_message(Role::user, "")};
  body.messages[0].blocks.clear();
  for (size_t at = 0; at < 90; at += 9)
    body.messages[0].blocks.emplace_back().content = Text{kSecretText.substr(at, 9)};
  EXPECT_THAT(labels(body), ElementsAre("board"));
}

TEST_F(LabellerTest, SecretsAreLabelledByTheirForm) {
  EXPECT_THAT(labels("DB_PASSWORD=hunter2!x"), ElementsAre("key"));
  EXPECT_EQ(request.facts.label_causes.at(0).why, "looks like assignment");
}

TEST_F(LabellerTest, SourcesCountAsBefore) {
  CompletionRequest body;
  body.messages = {text_message(Role::tool, "forty-two")};
  body.messages[0].blocks[0].source = Source{{}, {}, "vault"};
  EXPECT_THAT(labels(body), ElementsAre("board"));
  EXPECT_EQ(request.facts.label_causes.at(0).why, "tool vault");
}

// ---- what a call names ----

// Nobody reads them; what is answered to them may be of any labelled text.
TEST_F(LabellerTest, TokenIdsCarryEveryLabelThatThereIs) {
  CompletionRequest body;
  body.prompt = "";
  body.prompt_tokens = {11, 12};
  EXPECT_THAT(labels(body), UnorderedElementsAre("board", "key"));
  EXPECT_EQ(request.facts.label_causes.at(0).why, "token ids, which may be any text");
  body.prompt_tokens.clear();
  EXPECT_THAT(labels(body), IsEmpty());
}

// A conversation in which a tool was called with these arguments and gave a result.
CompletionRequest called(const std::string& tool, const std::string& arguments) {
  CompletionRequest body;
  body.messages = {text_message(Role::user, "look at the settings"),
                   text_message(Role::assistant, "I do"), text_message(Role::tool, "")};
  body.messages[1].blocks.emplace_back().content = ToolCall{"c1", tool, arguments};
  body.messages[2].blocks[0].content = ToolResult{"c1", "PORT=8080\nMODE=plain\n", false};
  return body;
}

TEST_F(LabellerTest, TheFileThatACallNamesIsItsResultsSource) {
  policy.labels = {{"secret", {"**/.env*", "~/vault/**", "config/keys.toml"}, Trust::local}};
  for (const char* arguments : {
           R"({"path": "config/.env"})",
           R"({"file_path": "/home/u/app/.env"})",
           R"({"filePath": "./.env.local"})",
           R"({"filename": ".env"})",
           R"({"target_file": "a/b/.env.production"})",
           R"({"notebook_path": ".env.ipynb"})",
           R"({"uri": "file:///home/u/app/.env"})",
           R"({"paths": ["README.md", ".env"]})",
           R"({"files": [{"path": "src/a.cc"}, {"path": "app/.env"}]})",
           R"({"where": {"is": "app\u002f.env"}})",
           R"({"path": "C:\\app\\.env"})",
           R"({"command": ["bash", "-lc", "cat .env"]})",
           R"({"command": "cd app && cat \".env\" | head -3"})",
           R"({"command": "git show HEAD:config/.env"})",
           R"({"cmd": "curl -d @.env http://127.0.0.1"})",
           R"({"command": "python3 -c 'print(open(\".env\").read())'"})",
           R"({"command": "sort<.env; true"})",
           R"({"command": "cat {.env,Makefile}"})",
           R"({"command": "cat --file=.env"})",
           R"({"script": "cat ~/vault/a.txt"})",
           R"({"script": "cat $HOME/vault/a.txt"})",
           R"({"command": "cat keys.toml", "workdir": "config"})",
           R"({"command": "cat ../app/config/keys.toml"})",
           R"({"input": "*** Begin Patch\n*** Update File: app/.env\n@@\n-A=1\n+A=2\n"})",
           "cat config/.env",
           R"({"path": "config/.env)",
       }) {
    EXPECT_THAT(labels(called("tool", arguments)), ElementsAre("secret")) << arguments;
    const Block& result = request.body.messages[2].blocks[0];
    EXPECT_THAT(result.labels, ElementsAre("secret")) << arguments;
    ASSERT_FALSE(request.facts.label_causes.empty()) << arguments;
    EXPECT_EQ(request.facts.label_causes[0].text.size(), 32u) << "it can be declassified";
  }
  EXPECT_THAT(labels(called("Read", R"({"file_path": "app/.env"})")), ElementsAre("secret"));
  EXPECT_EQ(request.facts.label_causes[0].message, 3u);
  EXPECT_EQ(request.facts.label_causes[0].why, "path app/.env, named by the call that it answers");
  EXPECT_THAT(request.manifest.sources, ElementsAre("app/.env"));
  EXPECT_EQ(request.body.messages[2].blocks[0].source->tool, "Read");
}

TEST_F(LabellerTest, WhatACallNamesIsLookedAtAgainUnderOtherRules) {
  policy.roots.clear();
  policy.labels = {{"secret", {"**/.env*"}, Trust::local}};
  const CompletionRequest body = called("Read", R"({"path": "config/.env"})");
  EXPECT_THAT(labels(body), ElementsAre("secret"));
  EXPECT_THAT(labels(body), ElementsAre("secret")) << "from memory";
  policy.labels = {{"settings", {"config/**"}, Trust::local}};
  set_policy();
  EXPECT_THAT(labels(body), ElementsAre("settings"));
  policy.labels.clear();
  set_policy();
  EXPECT_THAT(labels(body), IsEmpty());
}

TEST_F(LabellerTest, ACallThatNamesOtherFilesPutsNothingOn) {
  policy.labels = {{"secret", {"**/.env*", "board/**"}, Trust::local}};
  for (const char* arguments : {
           R"({"path": "README.md"})",
           R"({"command": "cat environment.md; printenv; ls -la src"})",
           R"({"query": "who reads .env here?"})",
           R"({"path": "docs/setup.md", "content": "Copy .env.example to .env first."})",
           R"({"path": "a.cc", "old_string": "name = \".env\";", "new_string": "name = \"\";"})",
           "{}",
           "",
       })
    EXPECT_THAT(labels(called("tool", arguments)), IsEmpty()) << arguments;
}

TEST_F(LabellerTest, AResultIsOfTheCallThatItAnswers) {
  policy.labels = {{"secret", {"**/.env*"}, Trust::local}, {"mine", {"tool:vault"}, Trust::local}};
  CompletionRequest body = called("Read", R"({"path": "README.md"})");
  body.messages[1].blocks.emplace_back().content = ToolCall{"c2", "Read", R"({"path": ".env"})"};
  EXPECT_THAT(labels(body), IsEmpty()) << "the other one gave no result yet";
  body.messages[2].blocks.emplace_back().content = ToolResult{"c2", "denied", false};
  body.messages[2].blocks.emplace_back().content = Image{"data:image/png;base64,AAAA", ""};
  EXPECT_THAT(labels(body), ElementsAre("secret"));
  EXPECT_THAT(request.body.messages[2].blocks[0].labels, IsEmpty());
  EXPECT_THAT(request.body.messages[2].blocks[1].labels, ElementsAre("secret"));
  EXPECT_THAT(request.body.messages[2].blocks[2].labels, ElementsAre("secret")) << "its image";
  // Some name their calls anew in each answer.
  CompletionRequest again = called("Read", R"({"path": ".env"})");
  again.messages.erase(again.messages.begin() + 2);
  CompletionRequest later = called("Read", R"({"path": "README.md"})");
  again.messages.insert(again.messages.end(), later.messages.begin(), later.messages.end());
  EXPECT_THAT(labels(again), IsEmpty());
  EXPECT_THAT(labels(called("vault", "{}")), ElementsAre("mine"));
}

TEST_F(LabellerTest, WhatACallWritesIsOfTheFileToo) {
  policy.labels = {{"secret", {"**/.env*"}, Trust::local}};
  CompletionRequest body = called("Write", R"({"path": ".env", "content": "PORT=8080"})");
  body.messages.pop_back();
  EXPECT_THAT(labels(body), ElementsAre("secret"));
  EXPECT_THAT(request.body.messages[1].blocks[1].labels, ElementsAre("secret"));
}

// ---- what Hearth itself holds ----

TEST_F(LabellerTest, AConfiguredKeyIsASecretWhateverItsForm) {
  write("key", "plain-words-4711\n");
  std::filesystem::permissions(
      folder / "key", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const std::string text = "the header says plain-words-4711, why?";
  EXPECT_THAT(labels(text), IsEmpty());
  Target target;
  target.name = "acme";
  target.kind = TargetKind::api;
  target.provider = "acme";
  target.base_url = "http://127.0.0.1:1";
  target.key_file = folder / "key";
  policy.targets = {target};
  set_policy();
  EXPECT_THAT(labels(text), ElementsAre("key")) << "also where it was read before";
  EXPECT_EQ(request.facts.label_causes.at(0).why, "looks like own-key");
  labeller.guard("0wner-token-of-the-day");
  EXPECT_THAT(labels("Is 0wner-token-of-the-day right?"), ElementsAre("key"));
}

// What was written before the request came is seen, without waiting for a clock.
TEST_F(LabellerTest, AFileThatIsLabelledNowCountsFromTheNextRequestOn) {
  const std::string diary = "Dear diary, today the cellar flooded again and I blamed the cat.";
  EXPECT_THAT(labels(diary), IsEmpty());
  write("diary/may.txt", diary);
  EXPECT_THAT(labels(diary), IsEmpty()) << "no rule labels it";
  policy.labels.push_back({"mine", {"diary/**"}, Trust::local});
  set_policy();
  EXPECT_THAT(labels(diary), ElementsAre("mine"));
  const std::string june = "Dear diary, in June the cat moved out and took the good blanket along.";
  write("diary/june.txt", june);
  EXPECT_THAT(labels(june), ElementsAre("mine"));
  write("diary/new/july.txt", june + " In July the neighbours' dog moved in with its own blanket.");
  EXPECT_THAT(labels("In July the neighbours' dog moved in with its own blanket."),
              ElementsAre("mine"));
}

TEST_F(LabellerTest, WhatATextWasFoundToBeStays) {
  EXPECT_THAT(labels(kSecretText), ElementsAre("board"));
  std::filesystem::remove_all(folder / "board");
  EXPECT_THAT(labels(kSecretText), ElementsAre("board"));
}

TEST_F(LabellerTest, AnswersToLabelledRequestsCarryTheirLabels) {
  const std::string summary = "In short: a company is bought for eleven forty, partly in shares.";
  EXPECT_THAT(labels(summary), IsEmpty());
  labeller.derive(summary + " More tomorrow.", {"board"});
  labeller.derive("Bought at 11.40!", {"board"});
  EXPECT_THAT(labels("You wrote: " + summary), ElementsAre("board"));
  EXPECT_THAT(request.facts.label_causes.at(0).why, HasSubstr("an answer"));
  EXPECT_THAT(labels("bought, at 11.40?"), ElementsAre("board")) << "as a whole";
  EXPECT_THAT(labels("bought at 11.40 o'clock at the bakery"), IsEmpty());
}

TEST_F(LabellerTest, LabelledAnswersAreKnownAfterARestart) {
  const std::string answer = "In short: a company is bought for eleven forty, partly in shares.";
  labeller.derive(answer, {"board"});
  Labeller again{loop.executor(), state.path()};
  RouteRequest late;
  late.body.messages = {text_message(Role::user, "You said: " + answer)};
  set_policy();
  ASSERT_TRUE(loop.run(again.label(snapshot, late)));
  EXPECT_THAT(late.facts.labels, ElementsAre("board"));
  EXPECT_THAT(*file::read(state / "labelled_answers.jsonl"), ::testing::Not(HasSubstr("company")));
}

TEST_F(LabellerTest, APersonMayTakeALabelOffAText) {
  EXPECT_THAT(labels(kSecretText), ElementsAre("board"));
  Declassified act{1, request.facts.label_causes.at(0).text, "board", "ada", "published today"};
  for (auto broken :
       {Declassified{1, "abc", "board", "ada", "why"}, Declassified{1, act.text, "", "ada", "why"},
        Declassified{1, act.text, "board", "", "why"},
        Declassified{1, act.text, "board", "ada", ""}}) {
    auto done = labeller.declassify(broken);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::invalid);
  }
  ASSERT_TRUE(labeller.declassify(act));
  EXPECT_THAT(labels(kSecretText), IsEmpty());
  EXPECT_THAT(request.facts.label_causes, IsEmpty());
  EXPECT_THAT(labels(kSecretText + " and more"), ElementsAre("board")) << "this text alone";
  CompletionRequest body;
  body.messages = {text_message(Role::user, kSecretText)};
  body.messages[0].blocks[0].labels = {"board", "other"};
  EXPECT_THAT(labels(body), ElementsAre("other")) << "whatever put it there";

  EXPECT_THAT(*file::read(state / "declassified.jsonl"),
              HasSubstr("\"who\":\"ada\",\"why\":\"published today\""));
  Labeller again{loop.executor(), state.path()};
  ASSERT_THAT(again.declassified(), ::testing::SizeIs(1));
  EXPECT_EQ(again.declassified()[0].text, act.text);
}

TEST_F(LabellerTest, WithoutRootsFilesAreNotKnownButSecretsAre) {
  policy.roots.clear();
  EXPECT_THAT(labels(kSecretText + "DB_PASSWORD=hunter2!x"), ElementsAre("key"));
}

TEST_F(LabellerTest, ReportsWhatItKnows) {
  set_policy();
  auto report = loop.run(labeller.report(snapshot));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->n_labelled, 1u);
  EXPECT_THAT(report->roots, ElementsAre(folder.path()));
}

// Large texts go to a worker; together they find what one finds alone.
TEST_F(LabellerTest, ManyAtOnceAreAllLabelled) {
  set_policy();
  std::vector<RouteRequest> requests(8);
  size_t n_done = 0;
  auto one = [&](RouteRequest& each) -> Task<> {
    auto done = co_await labeller.label(snapshot, each);
    EXPECT_TRUE(done);
    ++n_done;
  };
  for (size_t i = 0; i < requests.size(); ++i) {
    std::string text;
    while (text.size() < 20'000) text += "line " + std::to_string(text.size() * (i + 3)) + "\n";
    requests[i].body.messages = {text_message(Role::user, text + (i % 2 ? kSecretText : ""))};
    loop.start(one(requests[i]));
  }
  loop.run_until([&] { return n_done == requests.size(); });
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(requests[i].facts.labels.size(), i % 2) << i;
}

TEST_F(LabellerTest, WhatAClientSaysToItsOwnProviderIsReadToo) {
  CompletionRequest body;
  body.messages = {text_message(Role::user, "hello")};
  ASSERT_THAT(labels(body), IsEmpty());
  request = {};
  request.body = body;
  request.own.user = "see: " + kSecretText;
  ASSERT_TRUE(loop.run(labeller.label(snapshot, request)));
  EXPECT_THAT(request.facts.labels, ElementsAre("board"));
  request = {};
  request.body = body;
  request.own.free_form["patch"].text = kSecretText;
  ASSERT_TRUE(loop.run(labeller.label(snapshot, request)));
  EXPECT_THAT(request.facts.labels, ElementsAre("board"));
}

}  // namespace
}  // namespace hearth::router
