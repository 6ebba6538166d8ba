#include "inference/engine_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "inference/engine/engine_driver.h"
#include "inference/engine/tiny_model.h"

namespace hearth::engine {
namespace {

using testing::greedy;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::tiny_model;

// A client, its loop and a child that serves the tiny model.
class EngineClientTest : public ::testing::Test {
 protected:
  explicit EngineClientTest(std::string executable = HEARTH_ENGINE_CHILD) {
    child_options.executable = std::move(executable);
    child_options.log_path = "/dev/null";
    child_options.backoff = std::chrono::milliseconds(1);
    child_options.hang_after = std::chrono::seconds(1);
    client.emplace(io.get_executor(), child_options);
    spec.model = "tiny";
    spec.path = folder.write("tiny.gguf", tiny_model(1u << 16).build());
    spec.settings.n_threads = 1;
    spec.keep_alive = std::chrono::seconds(0);
  }
  ~EngineClientTest() override { stop(); }
  void stop() {
    client->stop();
    Task<> joined = client->join();
    run(std::move(joined));
  }

  // A task's result without the need of an empty one.
  template <class T>
  struct Pending {
    std::optional<T> value;
    net::cancellation_signal cancel;
  };
  template <class T>
  static Task<> keep(Task<T> task, std::shared_ptr<Pending<T>> pending) {
    pending->value = co_await std::move(task);
  }
  template <class T>
  std::shared_ptr<Pending<T>> start(Task<T> task) {
    auto pending = std::make_shared<Pending<T>>();
    kept.push_back(pending);
    net::co_spawn(io, keep(std::move(task), pending),
                  net::bind_cancellation_slot(pending->cancel.slot(), [](std::exception_ptr) {}));
    return pending;
  }
  void run_until(const std::function<bool()>& is_so) {
    while (!is_so()) {
      io.restart();
      ASSERT_GT(io.run_one(), 0u) << "nothing is left that could happen";
    }
  }
  template <class T>
  T run(Task<T> task) {
    auto pending = start(std::move(task));
    run_until([&] { return pending->value.has_value(); });
    return std::move(*pending->value);
  }
  void run(Task<> task) {
    bool is_done = false;
    net::co_spawn(io, std::move(task), [&](std::exception_ptr) { is_done = true; });
    run_until([&] { return is_done; });
  }

  Task<Answer> ask(CompletionRequest body, DeltaSink sink = {}) {
    return client->complete(spec, std::move(body), std::move(sink));
  }
  // One that never ends by itself within the time of a test.
  static CompletionRequest endless() { return greedy("hello", 60000); }

  std::vector<std::shared_ptr<void>> kept;  // signals outlive what listens to them
  net::io_context io;
  testing::TemporaryFolder folder;
  EngineClient::Options child_options;
  std::optional<EngineClient> client;
  ModelSpec spec;
};

TEST_F(EngineClientTest, StreamsAnAnswer) {
  std::string streamed;
  std::vector<Token> tokens;
  auto answer = run(ask(greedy("hello", 20), [&](const StreamDelta& delta) {
    streamed += delta.text;
    tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
  }));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(streamed, SizeIs(20));
  EXPECT_EQ(text_of(answer->message), streamed);
  EXPECT_EQ(answer->message.role, Role::assistant);
  EXPECT_EQ(answer->message.blocks.at(0).tokens, tokens);
  EXPECT_EQ(answer->finish_reason, FinishReason::length);
  EXPECT_EQ(answer->usage.n_completion, 20u);

  testing::EngineDriver in_process;
  ASSERT_FALSE(in_process.load(tiny_model(1u << 16)));
  EXPECT_EQ(in_process.answer(greedy("hello", 20)).text, streamed);
}

TEST_F(EngineClientTest, AVolatileLineCostsOnlyWhatFollowsTheNewestMessage) {
  const auto asking = [](int i) {
    CompletionRequest body = greedy("", 2);
    body.prompt.reset();
    body.messages = {
        text_message(Role::system, "Now: " + std::to_string(i) + "\n" + std::string(600, 'r')),
        text_message(Role::user, "question")};
    return body;
  };
  ASSERT_TRUE(run(ask(asking(1))));
  EXPECT_LT(run(ask(asking(2)))->usage.n_cached, 64u);
  spec.volatile_lines = {"Now: "};
  ASSERT_TRUE(run(ask(asking(3))));
  const Answer answer = run(ask(asking(4)));
  EXPECT_GE(answer->usage.n_cached, 600u);
  EXPECT_THAT(answer->moved_lines, ::testing::ElementsAre("Now: 4"));
}

TEST_F(EngineClientTest, StartsTheChildOnlyWhenNeeded) {
  EXPECT_EQ(client->pid(), -1);
  EXPECT_EQ(client->snapshot().n_steps, 0u);
  auto facts = run(client->load(spec));
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_GT(client->pid(), 0);
  EXPECT_EQ(facts->n_context, 1u << 16);
  ASSERT_THAT(client->loaded(), SizeIs(1));
  EXPECT_EQ(client->loaded()[0].model, "tiny");
}

TEST_F(EngineClientTest, AnswersEightAtOnce) {
  std::vector<std::shared_ptr<Pending<Answer>>> answers;
  for (int i = 0; i < 8; ++i)
    answers.push_back(start(ask(greedy("prompt " + std::to_string(i), 30))));
  for (auto& answer : answers) run_until([&] { return answer->value.has_value(); });
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(*answers[i]->value);
    auto alone = run(ask(greedy("prompt " + std::to_string(i), 30)));
    EXPECT_EQ(text_of((*answers[i]->value)->message), text_of(alone->message)) << i;
  }
  EXPECT_EQ(client->n_crashes(), 0u);
}

TEST_F(EngineClientTest, CancellingStopsTheDecoding) {
  std::shared_ptr<Pending<Answer>> answer;
  answer = start(ask(endless(), [&](const StreamDelta& delta) {
    if (!delta.text.empty()) answer->cancel.emit(net::cancellation_type::terminal);
  }));
  run_until([&] { return answer->value.has_value(); });
  EXPECT_EQ(answer->value->error().code, Errc::cancelled);
  // The engine has seen the cancellation before these, and published before the second.
  ASSERT_TRUE(run(ask(greedy("a", 1))));
  ASSERT_TRUE(run(ask(greedy("b", 1))));
  EXPECT_LE(client->snapshot().n_running, 1u);
  EXPECT_LT(client->snapshot().n_decode_tokens, 50000u);
}

TEST_F(EngineClientTest, CancellingWhileTheModelLoadsIsPossible) {
  auto answer = start(ask(endless()));
  run_until([&] { return client->pid() > 0; });
  answer->cancel.emit(net::cancellation_type::terminal);
  run_until([&] { return answer->value.has_value(); });
  EXPECT_EQ(answer->value->error().code, Errc::cancelled);
  EXPECT_TRUE(run(ask(greedy("a", 1))));
}

TEST_F(EngineClientTest, AHundredKillsLoseOnlyWhatWasRunning) {
  const std::string expected = text_of(run(ask(greedy("hello", 10)))->message);
  for (int i = 0; i < 100; ++i) {
    auto killed = run(ask(endless(), [&](const StreamDelta& delta) {
      if (!delta.text.empty()) ::kill(client->pid(), SIGKILL);
    }));
    ASSERT_FALSE(killed) << i;
    EXPECT_EQ(killed.error().code, Errc::upstream);
    EXPECT_THAT(killed.error().message, HasSubstr("signal 9"));
    auto next = run(ask(greedy("hello", 10)));
    ASSERT_TRUE(next) << i << ": " << next.error().message;
    EXPECT_EQ(text_of(next->message), expected);
  }
  EXPECT_EQ(client->n_crashes(), 100u);
}

TEST_F(EngineClientTest, AChildThatHangsIsKilledAndTheNextRequestSucceeds) {
  auto stuck = run(ask(endless(), [&](const StreamDelta& delta) {
    if (!delta.text.empty()) ::kill(client->pid(), SIGSTOP);
  }));
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code, Errc::upstream);
  EXPECT_THAT(stuck.error().message, HasSubstr("it computed nothing for 1000 ms"));
  EXPECT_TRUE(run(ask(greedy("hello", 4))));
  EXPECT_EQ(client->n_crashes(), 1u);
}

TEST_F(EngineClientTest, AModelThatKeepsCrashingIsRefusedUntilLoadedExplicitly) {
  auto kill_it = [&](const StreamDelta& delta) {
    if (!delta.text.empty()) ::kill(client->pid(), SIGKILL);
  };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(run(ask(endless(), kill_it)));
  auto refused = run(ask(greedy("hello", 5)));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("5 times in a row"));
  EXPECT_THAT(refused.error().message, HasSubstr("signal 9"));
  EXPECT_THAT(refused.error().message, HasSubstr("hearth models load tiny"));
  EXPECT_EQ(client->pid(), -1);
  ASSERT_TRUE(run(client->load(spec)));
  EXPECT_TRUE(run(ask(greedy("hello", 5))));
}

TEST_F(EngineClientTest, ALoadThatFailsSaysWhy) {
  testing::ModelImage image = tiny_model();
  image.tensors.erase("output_norm.weight");
  spec.path = folder.write("broken.gguf", image.build());
  auto answer = run(ask(greedy("hello", 5)));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("output_norm.weight"));
  run_until([&] { return client->pid() == -1; });  // it has nothing to hold
  spec.path = "/nowhere/model.gguf";
  auto missing = run(client->load(spec));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/model.gguf"));
  EXPECT_EQ(client->n_crashes(), 0u);
}

TEST_F(EngineClientTest, TheChildExitsAfterUnloadAndComesBackWhenNeeded) {
  ASSERT_TRUE(run(ask(greedy("hello", 5))));
  int first = client->pid();
  ASSERT_TRUE(run(client->unload("tiny")));
  EXPECT_THAT(client->loaded(), SizeIs(0));
  EXPECT_TRUE(run(ask(greedy("hello", 5))));  // does not meet the child that is leaving
  EXPECT_NE(client->pid(), first);
  EXPECT_EQ(client->n_crashes(), 0u);
  EXPECT_EQ(run(client->unload("other")).error().code, Errc::not_found);
}

TEST_F(EngineClientTest, AnIdleModelIsUnloaded) {
  spec.keep_alive = std::chrono::seconds(1);
  ASSERT_TRUE(run(ask(greedy("hello", 5))));
  run_until([&] { return client->pid() == -1; });
  EXPECT_THAT(client->loaded(), SizeIs(0));
  EXPECT_EQ(client->n_crashes(), 0u);
}

TEST_F(EngineClientTest, OtherSettingsLoadTheModelAgain) {
  ASSERT_TRUE(run(client->load(spec)));
  spec.settings.n_context = 1024;
  auto facts = run(client->load(spec));
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->n_context, 1024u);
}

TEST_F(EngineClientTest, OtherSettingsWaitForTheAnswersUnderWay) {
  auto first = start(ask(greedy("hello", 2000)));
  run_until([&] { return client->snapshot().n_running == 1; });
  spec.settings.n_context = 1024;
  auto second = run(ask(greedy("hello", 5)));
  ASSERT_TRUE(second) << second.error().message;
  ASSERT_TRUE(first->value);
  EXPECT_EQ((*first->value)->usage.n_completion, 2000u);
  EXPECT_EQ(client->loaded().at(0).facts.n_context, 1024u);
}

TEST_F(EngineClientTest, AFileThatTookTheLoadedOnesPlaceAnswersFromThenOn) {
  const std::string before = text_of(run(ask(greedy("hello", 20)))->message);
  testing::EngineDriver other;
  ASSERT_FALSE(other.load(tiny_model(1u << 16, 2)));
  const std::string after = other.answer(greedy("hello", 20)).text;
  ASSERT_NE(before, after);
  std::filesystem::rename(folder.write("new.gguf", tiny_model(1u << 16, 2).build()), spec.path);
  EXPECT_EQ(text_of(run(ask(greedy("hello", 20)))->message), after);
  // One that is gone takes nothing away.
  std::filesystem::remove(spec.path);
  EXPECT_EQ(text_of(run(ask(greedy("hello", 20)))->message), after);
}

Query tokenize(size_t n_bytes) {
  Query query;
  query.kind = Query::Kind::tokenize;
  query.wants_pieces = true;
  std::string& text = query.texts.emplace_back();
  for (size_t i = 0; i < n_bytes; ++i) text += i % 5 ? 'x' : ' ';
  return query;
}

TEST_F(EngineClientTest, ALongAnswerToAQueryComesAndOneThatIsTooLongIsRefused) {
  auto answered = run(client->ask(spec, tokenize(400'000)));
  ASSERT_TRUE(answered) << answered.error().message;
  EXPECT_THAT(answered->tokens, SizeIs(400'000));
  EXPECT_THAT(answered->pieces, SizeIs(400'000));
  const int pid = client->pid();
  auto refused = run(client->ask(spec, tokenize(2'000'000)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("expected at most"));
  EXPECT_EQ(client->pid(), pid);
  EXPECT_EQ(client->n_crashes(), 0u);
}

TEST_F(EngineClientTest, AnErrorThatQuotesALongTextIsCutShort) {
  testing::ModelImage image = tiny_model();
  image.keys["tokenizer.chat_template"] =
      std::string("{{ raise_exception('no ' + messages[0].content) }}");
  spec.path = folder.write("strict.gguf", image.build());
  Query query;
  query.kind = Query::Kind::render;
  query.body.messages = {text_message(Role::user, std::string(2'000'000, 'x'))};
  auto refused = run(client->ask(spec, query));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no xxx"));
  EXPECT_LT(refused.error().message.size(), 5000u);
  EXPECT_EQ(client->n_crashes(), 0u);
}

TEST_F(EngineClientTest, ALogThatCannotBeWrittenIsDoneWithout) {
  stop();
  child_options.log_path = "/nowhere/engine.log";
  client.emplace(io.get_executor(), child_options);
  auto answer = run(ask(greedy("hello", 5)));
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST_F(EngineClientTest, ALargeLogIsSetAside) {
  stop();
  child_options.log_path = folder.write("engine.log", std::string(5 << 20, 'x'));
  client.emplace(io.get_executor(), child_options);
  ASSERT_TRUE(run(ask(greedy("hello", 5))));
  EXPECT_EQ(std::filesystem::file_size(child_options.log_path + ".1"), 5u << 20);
  EXPECT_LT(std::filesystem::file_size(child_options.log_path), 1u << 20);
}

TEST_F(EngineClientTest, TellsBothNumbersOfAPromptThatIsTooLong) {
  auto answer = run(client->complete(spec, greedy(std::string(100000, 'x'), 5), {}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::context_exceeded);
  EXPECT_EQ(answer.error().n_prompt, 100000u);
  EXPECT_EQ(answer.error().n_context, 1u << 16);
}

TEST_F(EngineClientTest, ARequestLargerThanAFrameIsRefused) {
  auto answer = run(ask(greedy(std::string(kMaxFrameBytes, 'x'), 5)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::invalid);
  EXPECT_TRUE(run(ask(greedy("a", 1))));
}

TEST_F(EngineClientTest, StoppingEndsWhatRunsAndTheChild) {
  auto answer = start(ask(endless()));
  run_until([&] { return client->snapshot().n_running == 1; });
  int pid = client->pid();
  client->stop();
  run(client->join());
  run_until([&] { return answer->value.has_value(); });
  EXPECT_EQ(answer->value->error().code, Errc::cancelled);
  EXPECT_EQ(::kill(pid, 0), -1);  // reaped
  EXPECT_EQ(run(ask(greedy("a", 1))).error().code, Errc::cancelled);
}

// A process that holds a client is killed; its engine goes too.
TEST_F(EngineClientTest, TheChildDiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t parent = ::fork();
  if (parent == 0) {
    net::io_context own;
    EngineClient::Options options;
    options.executable = HEARTH_ENGINE_CHILD;
    EngineClient holder(own.get_executor(), options);
    auto tell_and_die = [&](const StreamDelta& delta) {
      int pid = holder.pid();
      if (!delta.text.empty() && ::write(ends[1], &pid, sizeof pid) > 0) ::raise(SIGKILL);
    };
    auto pending = std::make_shared<Pending<Answer>>();
    net::co_spawn(own, keep(holder.complete(spec, endless(), tell_and_die), pending),
                  [](std::exception_ptr) {});
    own.run();
    ::_exit(1);
  }
  int engine = 0;
  ASSERT_EQ(::read(ends[0], &engine, sizeof engine), static_cast<ssize_t>(sizeof engine));
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  EXPECT_TRUE(WIFSIGNALED(status));
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, engine, 0));
  if (pidfd < 0) {
    EXPECT_EQ(errno, ESRCH);
  } else {
    pollfd ended{pidfd, POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 30000), 1);
    ::close(pidfd);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

class HostileEngineTest : public EngineClientTest,
                          public ::testing::WithParamInterface<const char*> {
 protected:
  HostileEngineTest() : EngineClientTest(HEARTH_HOSTILE_CHILD) {
    ::setenv("HEARTH_TEST_HOSTILE", GetParam(), 1);
  }
};

TEST_P(HostileEngineTest, IsKilledAndRestartedAFewTimesOnly) {
  auto answer = run(ask(greedy("hello", 5)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::upstream);
  EXPECT_THAT(answer.error().message, HasSubstr("5 times in a row"));
  EXPECT_THAT(answer.error().message, HasSubstr("it sent a"));
  EXPECT_EQ(client->n_crashes(), 5u);
  EXPECT_EQ(client->pid(), -1);
}

INSTANTIATE_TEST_SUITE_P(Frames, HostileEngineTest, ::testing::Values("huge", "long", "garbled"));

class NoEngineTest : public EngineClientTest {
 protected:
  NoEngineTest() : EngineClientTest("/nowhere/hearth") {}
};

TEST_F(NoEngineTest, AMissingProgramIsAnErrorThatNamesIt) {
  auto answer = run(ask(greedy("hello", 5)));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("/nowhere/hearth"));
}

}  // namespace
}  // namespace hearth::engine
