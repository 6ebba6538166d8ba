// Every wire says what the canonical form holds: what a served wire writes is read by the
// provider's reader of that wire as the same answer, and what is written for a provider is read by
// the served wire as the same request.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "daemon/wire/sse_events.h"
#include "providers/anthropic.h"
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"
#include "providers/sse.h"
#include "providers/table.h"
#include "wire/parts.h"

namespace hearth::wire {
namespace {

using Kind = StreamDelta::Kind;

const Dialect& dialect(std::string_view name) {
  for (const Dialect& each : dialects())
    if (each.name == name) return each;
  throw std::invalid_argument(std::string(name));
}

// A served wire and the provider's side of the same one.
struct Pair {
  std::string_view served;
  std::string_view provider;  // a row of providers/table.cc
  const router::Wire* wire;
  std::string_view minimal;  // a request that asks for an answer
};

const Pair kPairs[] = {
    {"chat", "deepseek", &router::kOpenAiChat,
     R"({"model":"m","stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]})"},
    {"messages", "anthropic", &router::kAnthropicMessages,
     R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]})"},
    {"responses", "openai", &router::kOpenAiResponses, R"({"model":"m","input":"x"})"},
};

router::Target target_of(const Pair& pair) {
  router::Target target;
  target.provider = pair.provider;
  target.model = "m";
  return target;
}

// Whatever a model may say: quotes, line ends, several bytes to a character.
std::string words(std::mt19937& random) {
  constexpr std::string_view kPieces[] = {
      "a", " ", "\n", "\"", "\\", "é", "日本", "{\"k\": [1]}", "</s>", "data: x\n\n", "😀", "\t"};
  std::string text;
  for (size_t n = 1 + random() % 12; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
  return text;
}

// A thought as OpenAI keeps it: an item with what only it can read.
std::string thought_item(const Reasoning& thought) {
  return boost::json::serialize(json::Object{
      {"id", "rs_1"},
      {"type", "reasoning"},
      {"summary", json::Array{json::Object{{"type", "summary_text"}, {"text", thought.text}}}},
      {"encrypted_content", "gAAAAA+/="}});
}

Completion any_answer(const Pair& pair, std::mt19937& random) {
  Completion completion;
  completion.message.role = Role::assistant;
  auto add = [&](auto part) { completion.message.blocks.emplace_back().content = std::move(part); };
  if (random() % 2) {
    add(Reasoning{words(random), std::nullopt});
    if (pair.served == "messages")
      add(Opaque{"anthropic", {R"({"type":"thinking","signature":"EqQB+/="})"}});
    if (pair.served == "responses")
      add(Opaque{"openai",
                 {thought_item(std::get<Reasoning>(completion.message.blocks.back().content))}});
  }
  if (random() % 3) add(Text{words(random)});
  const size_t n_calls = random() % 4;
  for (size_t i = 0; i < n_calls; ++i)
    add(ToolCall{
        fmt::format("call_{}", i), fmt::format("tool_{}", i),
        boost::json::serialize(json::Object{{"text", words(random)}, {"n", random() % 9}})});
  constexpr FinishReason kReasons[] = {FinishReason::stop, FinishReason::length,
                                       FinishReason::content_filter};
  completion.finish_reason =
      n_calls ? FinishReason::tool_calls : kReasons[random() % std::size(kReasons)];
  Usage& usage = completion.usage;
  usage.n_cached = static_cast<uint32_t>(random() % 1000);
  if (pair.served == "messages") {
    usage.n_cache_write = static_cast<uint32_t>(random() % 1000);
    usage.n_cache_write_1h = static_cast<uint32_t>(random() % 1000);
  }
  usage.n_prompt = usage.n_cached + usage.n_cache_write + usage.n_cache_write_1h +
                   static_cast<uint32_t>(random() % 1000);
  usage.n_completion = static_cast<uint32_t>(random() % 1000);
  return completion;
}

// In pieces of any number of whole characters, as an engine or a provider streams.
std::vector<StreamDelta> in_pieces(const Message& message, std::mt19937& random) {
  std::vector<StreamDelta> pieces;
  for (const StreamDelta& delta : deltas_of(message)) {
    StreamDelta piece = delta;
    piece.text.clear();
    const bool is_whole = delta.kind == Kind::opaque;
    for (size_t i = 0; i < delta.text.size(); ++i) {
      piece.text += delta.text[i];
      const bool is_border = i + 1 == delta.text.size() ||
                             (static_cast<unsigned char>(delta.text[i + 1]) & 0xc0) != 0x80;
      if (is_whole || !is_border || random() % 3) continue;
      pieces.push_back(piece);
      piece.text.clear();
      piece.tool_id.clear();
      piece.tool_name.clear();
    }
    pieces.push_back(piece);
  }
  return pieces;
}

Answer read_back(const Pair& pair, std::string_view stream) {
  auto reader = pair.wire->reader(target_of(pair), [](const StreamDelta&) {}, size_t{1} << 20);
  Result<void, Failure> heard;
  router::SseParser parser([&](std::string_view event, std::string_view data) {
    if (heard) heard = reader->hear(event, data);
  });
  EXPECT_TRUE(parser.feed(stream));
  if (!heard) return heard.error();
  return reader->finish(pair.provider);
}

void expect_same(const Completion& said, const Completion& heard, std::string_view where) {
  EXPECT_EQ(json::encode(heard.message), json::encode(said.message)) << where;
  EXPECT_EQ(heard.finish_reason, said.finish_reason) << where;
  EXPECT_EQ(json::encode(heard.usage), json::encode(said.usage)) << where;
}

TEST(Translation, AStreamThatIsServedIsReadAsTheSameAnswer) {
  for (const Pair& pair : kPairs) {
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
      const Completion said = any_answer(pair, random);
      auto asked = dialect(pair.served).parse(pair.minimal);
      ASSERT_TRUE(asked) << asked.error().message;
      const std::string stream =
          streamed(*asked->shape, {"id-1", 1, "m", 0, 0}, in_pieces(said.message, random), said);
      Answer heard = read_back(pair, stream);
      ASSERT_TRUE(heard) << pair.served << ": " << heard.error().message << "\n" << stream;
      expect_same(said, *heard, fmt::format("{} round {}\n{}", pair.served, round, stream));
      if (testing::Test::HasFailure()) return;
    }
  }
}

// As the model wrote them, valid JSON or not, whatever its spelling: clients may compare them.
constexpr std::string_view kArgumentTexts[] = {"{}", "{ \"b\" : 1.50,\n\t\"a\":1e2 }",
                                               R"({"text":"\u00e9\/","n":12345678901234567890123})",
                                               R"({"a":1,"a":2})"};
constexpr std::string_view kNoJson[] = {R"({"cut": "he)", "look, no JSON", "[1] [2]"};

std::string arguments_of(const Message& message) {
  for (const Block& block : message.blocks)
    if (auto* call = std::get_if<ToolCall>(&block.content)) return call->arguments;
  return "(none)";
}

TEST(Translation, ArgumentsOfACallStayAsTheModelWroteThem) {
  std::mt19937 random(17);
  std::vector<std::string_view> texts(std::begin(kArgumentTexts), std::end(kArgumentTexts));
  texts.insert(texts.end(), std::begin(kNoJson), std::end(kNoJson));
  for (const Pair& pair : kPairs)
    for (std::string_view text : texts) {
      Completion said;
      said.message.role = Role::assistant;
      said.message.blocks.emplace_back().content = ToolCall{"call_1", "look", std::string(text)};
      said.finish_reason = FinishReason::tool_calls;
      auto asked = dialect(pair.served).parse(pair.minimal);
      ASSERT_TRUE(asked);
      const std::string stream =
          streamed(*asked->shape, {"id-1", 1, "m", 0, 0}, in_pieces(said.message, random), said);
      Answer heard = read_back(pair, stream);
      ASSERT_TRUE(heard) << pair.served << ": " << heard.error().message << "\n" << stream;
      EXPECT_EQ(arguments_of(heard->message), text) << pair.served;

      // On their way back. Anthropic's wire has an object there, whose values stay.
      CompletionRequest request;
      for (Role role : {Role::user, Role::assistant, Role::tool}) {
        request.messages.emplace_back().role = role;
        request.messages.back().blocks.emplace_back().content = Text{"x"};
      }
      request.messages[1] = said.message;
      request.messages[2].blocks[0].content = ToolResult{"call_1", "seen", false};
      auto body =
          pair.wire->body(target_of(pair), router::row_of(pair.provider).quirks, request, {}, {});
      ASSERT_TRUE(body) << body.error().message;
      auto read = dialect(pair.served).parse(*body);
      ASSERT_TRUE(read) << read.error().message << "\n" << *body;
      const std::string again = arguments_of(read->body.messages[1]);
      if (pair.served != "messages") {
        EXPECT_EQ(again, text) << pair.served;
      }
    }
}

CompletionRequest any_request(const Pair& pair, std::mt19937& random) {
  CompletionRequest request;
  auto add = [&](Role role) -> Message& {
    request.messages.emplace_back().role = role;
    return request.messages.back();
  };
  auto put = [](Message& message, auto part) -> Block& {
    message.blocks.emplace_back().content = std::move(part);
    return message.blocks.back();
  };
  const bool is_messages = pair.served == "messages";
  put(add(Role::system), Text{"rules " + words(random)});
  for (size_t n_rounds = 1 + random() % 3; n_rounds > 0; --n_rounds) {
    Message& user = add(Role::user);
    put(user, Text{"u" + words(random)});
    if (random() % 3 == 0) put(user, Image{"data:image/png;base64,aGk=", ""});
    Message& assistant = add(Role::assistant);
    if (random() % 2) {
      put(assistant, Reasoning{"t" + words(random), std::nullopt});
      if (is_messages)
        put(assistant, Opaque{"anthropic", {R"({"type":"thinking","signature":"EqQB"})"}});
      if (pair.served == "responses")
        put(assistant,
            Opaque{"openai", {thought_item(std::get<Reasoning>(assistant.blocks.back().content))}});
    }
    put(assistant, Text{"a" + words(random) + "."});
    const size_t n_calls = random() % 3;
    std::vector<std::string> ids;
    for (size_t i = 0; i < n_calls; ++i) {
      ids.push_back(fmt::format("call_{}_{}", n_rounds, i));
      put(assistant, ToolCall{ids.back(), "look",
                              boost::json::serialize(json::Object{{"text", words(random)}})});
    }
    for (const std::string& id : ids) {
      Block& result =
          put(add(Role::tool), ToolResult{id, "r" + words(random), is_messages && random() % 2});
      result.source.emplace().tool = "look";
    }
  }
  put(add(Role::user), Text{"last"});
  if (random() % 2) {
    request.tools.push_back(
        {"look", "looks", {R"({"type":"object","properties":{"z":{},"a":{}}})"}, ""});
    if (random() % 2) request.tool_choice.mode = ToolChoice::Mode::required;
    if (random() % 2) request.tool_choice.parallel = false;
  }
  // The responses wire has no word for it.
  if (random() % 2 && pair.served != "responses") request.stop = {"END"};
  request.sampling.temperature = 0.5f;
  request.sampling.top_p = 0.25f;
  request.max_tokens = 1 + static_cast<uint32_t>(random() % 5000);
  return request;
}

TEST(Translation, ARequestForAProviderIsReadAsTheSameRequest) {
  for (const Pair& pair : kPairs) {
    std::mt19937 random(13);
    const router::ProviderRow& row = router::row_of(pair.provider);
    for (int round = 0; round < 200; ++round) {
      CompletionRequest asked = any_request(pair, random);
      auto body = pair.wire->body(target_of(pair), row.quirks, asked, {}, {});
      ASSERT_TRUE(body) << body.error().message;
      auto read = dialect(pair.served).parse(*body);
      ASSERT_TRUE(read) << read.error().message << "\n" << *body;
      for (Message& message : read->body.messages)
        for (Block& block : message.blocks) block.cache.clear();  // the provider's own marks
      ASSERT_EQ(json::encode(read->body), json::encode(asked)) << pair.served << "\n" << *body;
    }
  }
}

}  // namespace
}  // namespace hearth::wire
