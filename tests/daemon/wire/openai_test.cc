#include "wire/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/wire/sse_events.h"

namespace hearth::wire::openai {
namespace {

using testing::HasSubstr;
using testing::Not;

Request chat(std::string_view body) {
  auto request = parse_chat(body);
  EXPECT_TRUE(request) << request.error().message;
  return request ? *request : Request{};
}

std::string chat_error(std::string_view body) {
  auto request = parse_chat(body);
  return request ? "" : request.error().message;
}

const Head kHead{"chatcmpl-1", 1700000000, "m"};

TEST(OpenAiChat, ReadsAPlainConversation) {
  Request request = chat(R"({"model":"local","messages":[{"role":"system","content":"be brief"},
    {"role":"user","content":"hi"}],"max_tokens":5,"temperature":0,"seed":42,"stop":["a","b"],"stream":true,
    "stream_options":{"include_usage":true},"unknown":{"x":1}})");
  EXPECT_EQ(request.model, "local");
  ASSERT_EQ(request.body.messages.size(), 2u);
  EXPECT_EQ(request.body.messages[0].role, Role::system);
  EXPECT_EQ(text_of(request.body.messages[1]), "hi");
  EXPECT_EQ(request.body.max_tokens, 5u);
  EXPECT_EQ(request.body.sampling.temperature, 0.f);
  EXPECT_EQ(request.body.sampling.seed, 42u);
  EXPECT_EQ(request.body.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request.is_stream);
  EXPECT_TRUE(request.include_usage);
}

TEST(OpenAiChat, ReadsContentAsStringNullOrParts) {
  Request request = chat(R"({"messages":[
    {"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:,x"}}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"read","arguments":"{\"p\": 1}"}}]},
    {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":""}]})");
  ASSERT_EQ(request.body.messages.size(), 4u);
  EXPECT_EQ(std::get<Image>(request.body.messages[0].blocks[1].content).url, "data:,x");
  EXPECT_EQ(std::get<ToolCall>(request.body.messages[1].blocks[0].content).arguments, "{\"p\": 1}");
  const auto& result = std::get<ToolResult>(request.body.messages[2].blocks[0].content);
  EXPECT_EQ(result.call_id, "c1");
  EXPECT_EQ(result.text, "ab");
}

TEST(OpenAiChat, ReadsReasoningControlsAndKeepsTheTemplatesOwnApart) {
  Request request = chat(R"({"messages":[{"role":"user","content":"x"}],"reasoning_effort":"low",
    "enable_thinking":true,"thinking_budget":500,"chat_template_kwargs":{"enable_thinking":false,"k":[1]}})");
  EXPECT_EQ(request.body.reasoning.effort, Effort::low);
  EXPECT_EQ(request.body.reasoning.enabled, true);
  EXPECT_EQ(request.body.reasoning.budget_tokens, 500u);
  EXPECT_EQ(request.body.template_variables.text, R"({"enable_thinking":false,"k":[1]})");
  EXPECT_TRUE(chat(R"({"messages":[{"role":"user","content":"x"}],"reasoning_effort":"none"})")
                  .body.reasoning.is_off());
}

TEST(OpenAiChat, KeepsToolSchemasAsTheyWereWritten) {
  Request request = chat(R"({"messages":[{"role":"user","content":"x"}],
    "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"z":{},"a":{}}}}}]})");
  ASSERT_EQ(request.body.tools.size(), 1u);
  EXPECT_EQ(request.body.tools[0].parameters.text,
            R"({"type":"object","properties":{"z":{},"a":{}}})");
}

TEST(OpenAiChat, ReadsWhetherToolsMayOrMustBeCalled) {
  using Mode = ToolChoice::Mode;
  auto choice = [](std::string_view fields) {
    return chat(
               std::string(
                   R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],)")
                   .append(fields) +
               "}")
        .body.tool_choice;
  };
  EXPECT_EQ(choice(R"("x":1)").mode, Mode::automatic);
  EXPECT_EQ(choice(R"("tool_choice":"auto")").mode, Mode::automatic);
  EXPECT_EQ(choice(R"("tool_choice":"none")").mode, Mode::none);
  EXPECT_EQ(choice(R"("tool_choice":"required")").mode, Mode::required);
  ToolChoice named = choice(
      R"("tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false)");
  EXPECT_EQ(named.mode, Mode::named);
  EXPECT_EQ(named.name, "f");
  EXPECT_EQ(named.parallel, false);
}

TEST(OpenAiChat, ReadsTheFormatOfTheAnswer) {
  using Kind = ResponseFormat::Kind;
  auto format = [](std::string_view text) {
    return chat(std::string(R"({"messages":[{"role":"user","content":"x"}],"response_format":)")
                    .append(text) +
                "}")
        .body.response_format;
  };
  EXPECT_EQ(format(R"({"type":"text"})").kind, Kind::text);
  EXPECT_EQ(format("null").kind, Kind::text);
  EXPECT_EQ(format(R"({"type":"json_object"})").kind, Kind::json_object);
  ResponseFormat schema = format(
      R"({"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"z":1,"a":2}}})");
  EXPECT_EQ(schema.kind, Kind::json_schema);
  EXPECT_EQ(schema.name, "n");
  EXPECT_EQ(schema.schema.text, R"({"z":1,"a":2})");
  EXPECT_EQ(schema.is_strict, true);
}

// A field that changes the answer is honoured or refused, never passed over.
TEST(OpenAiChat, RefusesWhatItHasNoWordFor) {
  auto error = [](std::string_view field) {
    auto request = parse_chat(
        std::string(R"({"messages":[{"role":"user","content":"x"}],)").append(field) + "}");
    return request ? Error{Errc::internal, "read"} : request.error();
  };
  for (std::string_view field :
       {R"("n":2)", R"("modalities":["text","audio"])", R"("audio":{"voice":"x"})",
        R"("functions":[{"name":"f"}])", R"("web_search_options":{})"}) {
    EXPECT_EQ(error(field).code, Errc::unsupported) << field;
    EXPECT_THAT(error(field).message,
                HasSubstr(std::string(field.substr(1, field.find('"', 1) - 1)) + ": only"));
  }
  for (std::string_view field :
       {R"("logprobs":false)", R"("logprobs":null)", R"("top_logprobs":0)", R"("n":1)",
        R"("modalities":["text"])", R"("audio":null)", R"("functions":[])", R"("verbosity":"low")",
        R"("user":"u")", R"("store":true)"})
    EXPECT_EQ(error(field).message, "read") << field;
  EXPECT_EQ(parse_completions(R"({"prompt":"a","best_of":3})").error().code, Errc::unsupported);
  EXPECT_TRUE(parse_completions(R"({"prompt":"a","suffix":"","best_of":1})"));
}

TEST(OpenAiChat, FormsAreReadInTheWordsOfOtherServersToo) {
  using Kind = ResponseFormat::Kind;
  auto form = [](const std::string& fields) {
    auto request = parse_chat(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}");
    EXPECT_TRUE(request) << fields << ": " << request.error().message;
    return request ? request->body.response_format : ResponseFormat{};
  };
  for (const char* fields : {R"("json_schema":{"type":"null"})", R"("guided_json":{"type":"null"})",
                             R"("guided_json":"{\"type\":\"null\"}")",
                             R"("structured_outputs":{"json":{"type":"null"}})"}) {
    EXPECT_EQ(form(fields).kind, Kind::json_schema) << fields;
    EXPECT_EQ(form(fields).schema.text, R"({"type":"null"})") << fields;
  }
  EXPECT_EQ(form(R"("guided_regex":"a+")").pattern, "a+");
  EXPECT_EQ(form(R"("guided_choice":["a.b","c"])").pattern, "(?:a\\.b|c)");
  EXPECT_EQ(form(R"("guided_choice":["tree","true","t","two","tree","x"])").pattern,
            "(?:t(?:|r(?:ee|ue)|wo)|x)");
  EXPECT_EQ(form(R"("guided_choice":["é","è","éa"])").pattern, "(?:è|é(?:|a))");
  EXPECT_EQ(form(R"("grammar":"root ::= \"x\"")").kind, Kind::gbnf);
  EXPECT_EQ(form(R"("grammar":"")").kind, Kind::text);
  auto twice = parse_chat(R"({"messages":[{"role":"user","content":"x"}],"grammar":"root ::= x",
                              "response_format":{"type":"json_object"}})");
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("said twice"));
  auto regex = parse_chat(R"({"messages":[{"role":"user","content":"x"}],
                              "response_format":{"type":"regex"}})");
  EXPECT_FALSE(regex);
}

TEST(OpenAiChat, FormsThatNobodyKnowsAreRefusedByName) {
  const auto read = [](const std::string& fields) {
    return parse_chat(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}");
  };
  for (const auto& [fields, name] :
       {std::pair{R"("structured_outputs":{"foo":true})", "structured_outputs.foo"},
        std::pair{R"("structured_outputs":{"regex":"a","whitespace_pattern":" "})",
                  "structured_outputs.whitespace_pattern"},
        std::pair{R"("guided_json_object":true)", "guided_json_object"},
        std::pair{R"("guided_whitespace_pattern":"x")", "guided_whitespace_pattern"}}) {
    auto request = read(fields);
    ASSERT_FALSE(request) << fields;
    EXPECT_EQ(request.error().code, Errc::unsupported) << fields;
    EXPECT_THAT(request.error().message, HasSubstr(name));
  }
  for (const char* fields :
       {R"("structured_outputs":"x")", R"("structured_outputs":[])",
        R"("structured_outputs":{"json_object":true,"regex":"a"})",
        R"("structured_outputs":{"json_object":"yes"})", R"("add_generation_prompt":1)",
        R"("chat_template_kwargs":{"add_generation_prompt":"no"})"}) {
    auto request = read(fields);
    ASSERT_FALSE(request) << fields;
    EXPECT_EQ(request.error().code, Errc::invalid) << fields;
  }
  for (const char* fields :
       {R"("structured_outputs":{"regex":"a","disable_fallback":true,"whitespace_pattern":null})",
        R"("structured_outputs":null)", R"("guided_decoding_backend":"xgrammar")"})
    EXPECT_TRUE(read(fields)) << fields;
}

TEST(OpenAiChat, StructuralTagsAreAForm) {
  using Kind = ResponseFormat::Kind;
  const std::string members =
      R"("structures":[{"begin":"<f=a>","schema":{"type":"null"},"end":"</f>"}],"triggers":["<f="])";
  const std::string typed = R"({"type":"structural_tag",)" + members + "}";
  const auto read = [](const std::string& fields) {
    return parse_chat(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}");
  };
  for (const std::string& fields :
       {R"("response_format":)" + typed, R"("structured_outputs":{"structural_tag":)" + typed + "}",
        R"("structured_outputs":{"structural_tag":)" + json::quote(typed) + "}"}) {
    auto request = read(fields);
    ASSERT_TRUE(request) << fields << ": " << request.error().message;
    EXPECT_EQ(request->body.response_format.kind, Kind::structural_tag);
    EXPECT_EQ(request->body.response_format.schema.text, typed);
  }
  for (const auto& [form, where] :
       {std::pair{R"({"format":{}})", "format"}, std::pair{R"({"triggers":["a"]})", "structures"},
        std::pair{R"({"triggers":[""],"structures":[]})", "triggers"},
        std::pair{R"({"triggers":["a"],"structures":[{"begin":"b","schema":{},"end":""}]})",
                  "begin"},
        std::pair{R"({"triggers":["a"],"structures":[{"begin":"a","end":""}]})", "schema"}}) {
    auto request = read(std::string(R"("structured_outputs":{"structural_tag":)") + form + "}");
    ASSERT_FALSE(request) << form;
    EXPECT_THAT(request.error().message, HasSubstr(where));
  }
}

TEST(OpenAiChat, ToolsMayBeStrict) {
  const Request request = chat(R"({"messages":[{"role":"user","content":"x"}],"tools":[
    {"type":"function","function":{"name":"f","strict":true}},
    {"type":"function","function":{"name":"g"}}]})");
  EXPECT_TRUE(request.body.tools.at(0).is_strict);
  EXPECT_FALSE(request.body.tools.at(1).is_strict);
}

TEST(OpenAiChat, ObjectsMayHaveASchemaAndAreAForm) {
  using Kind = ResponseFormat::Kind;
  const ResponseFormat schema = chat(R"({"messages":[{"role":"user","content":"x"}],
               "response_format":{"type":"json_object","schema":{"type":"integer"}}})")
                                    .body.response_format;
  EXPECT_EQ(schema.kind, Kind::json_schema);
  EXPECT_EQ(schema.schema.text, R"({"type":"integer"})");
  EXPECT_EQ(chat(R"({"messages":[{"role":"user","content":"x"}],
                     "structured_outputs":{"json_object":true}})")
                .body.response_format.kind,
            Kind::json_object);
  EXPECT_FALSE(parse_chat(R"({"messages":[{"role":"user","content":"x"}],
                              "response_format":{"type":"json_object","schema":7}})"));
}

TEST(OpenAiChat, AnAnswerNeedNotBeOpened) {
  const auto variables = [](const std::string& fields) {
    return chat(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}")
        .body.template_variables.text;
  };
  EXPECT_EQ(variables(R"("add_generation_prompt":true)"), "");
  EXPECT_EQ(variables(R"("add_generation_prompt":false)"), R"({"add_generation_prompt":false})");
  EXPECT_EQ(variables(R"("add_generation_prompt":false,"chat_template_kwargs":{"a":1})"),
            R"({"a":1,"add_generation_prompt":false})");
}

TEST(OpenAiChat, LogprobsAreCountedAndBounded) {
  auto read = [](const std::string& fields) {
    return parse_chat(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}");
  };
  EXPECT_EQ(read(R"("logprobs":true)")->body.n_logprobs, 0u);
  EXPECT_EQ(read(R"("logprobs":true,"top_logprobs":5)")->body.n_logprobs, 5u);
  EXPECT_EQ(read(R"("logprobs":false)")->body.n_logprobs, std::nullopt);
  EXPECT_FALSE(read(R"("top_logprobs":5)"));
  EXPECT_FALSE(read(R"("logprobs":true,"top_logprobs":21)"));
}

TEST(OpenAiText, ASuffixMakesAGapToFill) {
  auto request = parse_completions(R"({"prompt":"a","suffix":"b","logprobs":2})");
  ASSERT_TRUE(request);
  ASSERT_TRUE(request->body.infill);
  EXPECT_EQ(request->body.infill->prefix, "a");
  EXPECT_EQ(request->body.infill->suffix, "b");
  EXPECT_FALSE(request->body.prompt);
  EXPECT_EQ(request->body.n_logprobs, 2u);
}

TEST(OpenAiChat, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(chat_error("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(chat_error("[]"), HasSubstr("body: expected an object"));
  EXPECT_THAT(chat_error("{}"), HasSubstr("messages: expected"));
  EXPECT_THAT(chat_error(R"({"messages":[]})"), HasSubstr("messages: expected"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"wizard","content":"x"}]})"),
              HasSubstr("messages[0].role"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":7}]})"),
              HasSubstr("messages[0].content"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":[{"type":"video"}]}]})"),
              HasSubstr("messages[0].content[0].type"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"n":2})"),
              HasSubstr("n: only 1"));
  for (std::string_view wrong :
       {R"("tool_choice":"maybe")", R"("tool_choice":"named")", R"("tool_choice":"required")",
        R"("tool_choice":{"type":"function","function":{"name":"g"}})",
        R"("response_format":{"type":"xml"})", R"("response_format":{"type":"json_schema"})",
        R"("reasoning_effort":"much")", R"("chat_template_kwargs":[])"})
    EXPECT_NE(
        chat_error(std::string(R"({"messages":[{"role":"user","content":"x"}],)").append(wrong) +
                   "}"),
        "")
        << wrong;
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"temperature":"hot"})"),
              HasSubstr("temperature"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":0})"),
              HasSubstr("max_tokens"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1.5})"),
              HasSubstr("max_tokens"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"top_k":-1})"),
              HasSubstr("top_k"));
}

TEST(OpenAiCompletions, ReadsAPromptAndItsDefaults) {
  auto request = parse_completions(R"({"prompt":"once","echo":true})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->body.prompt, "once");
  EXPECT_EQ(request->body.max_tokens, 16u);
  EXPECT_TRUE(request->body.echoes_prompt);
  EXPECT_FALSE(request->body.only_reads);
}

TEST(OpenAiCompletions, ReadsPromptsInEachOfTheirForms) {
  const auto prompts = [](const std::string& prompt) {
    std::vector<CompletionRequest> out;
    if (auto request = parse_completions(R"({"max_tokens":7,"prompt":)" + prompt + "}")) {
      out.push_back(std::move(request->body));
      for (CompletionRequest& other : request->others) out.push_back(std::move(other));
    }
    return out;
  };
  EXPECT_EQ(prompts(R"(["one"])").at(0).prompt, "one");
  const auto two = prompts(R"(["one","two"])");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].prompt, "two");
  EXPECT_EQ(two[1].max_tokens, 7u);
  const auto ids = prompts("[5,6]");
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids[0].prompt, "");
  EXPECT_EQ(ids[0].prompt_tokens, (std::vector<Token>{5, 6}));
  const auto both = prompts(R"([[5,6],"seven",[8]])");
  ASSERT_EQ(both.size(), 3u);
  EXPECT_EQ(both[1].prompt, "seven");
  EXPECT_EQ(both[1].prompt_tokens, std::vector<Token>{});
  EXPECT_EQ(both[2].prompt_tokens, std::vector<Token>{8});
  for (const char* wrong : {"[]", "[[]]", "7", "[true]", "[1,\"a\"]", "[\"a\",1]", "[1.5]", "[-1]",
                            "[4294967296]", "null", "{}"})
    EXPECT_TRUE(prompts(wrong).empty()) << wrong;
  EXPECT_THAT(parse_completions(R"({"prompt":[3000000000]})").error().message,
              HasSubstr("3000000000"));
  EXPECT_FALSE(parse_completions(R"({"prompt":["a","b"],"suffix":"c"})"));
}

TEST(OpenAiCompletions, ASmallBodyBecomesNoLargeOne) {
  const std::string grammar(1 << 20, 'a');
  const auto with_prompts = [&](int n) {
    std::string list = R"("x")";
    while (--n > 0) list += R"(,"x")";
    return parse_completions(R"({"grammar":")" + grammar + R"(","prompt":[)" + list + "]}");
  };
  ASSERT_TRUE(with_prompts(1));
  const auto some = with_prompts(20);
  ASSERT_TRUE(some);
  EXPECT_EQ(some->others.back().response_format.pattern, grammar);
  EXPECT_THAT(with_prompts(40).error().message, HasSubstr("40 prompts"));
}

TEST(OpenAiCompletions, AFillingIsNoEcho) {
  EXPECT_FALSE(parse_completions(R"({"prompt":"a","suffix":"b","echo":true})"));
}

TEST(OpenAiCompletions, NoTokensMeanThatThePromptIsOnlyRead) {
  auto request = parse_completions(R"({"prompt":"a","max_tokens":0,"echo":true,"logprobs":1})");
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->body.only_reads);
  EXPECT_EQ(request->body.max_tokens, 0u);
  EXPECT_FALSE(parse_completions(R"({"prompt":"a","max_tokens":0,"suffix":"b"})"));
}

Completion sample() {
  Completion completion;
  completion.message.role = Role::assistant;
  completion.message.blocks.resize(2);
  completion.message.blocks[0].content = Reasoning{"hm", std::nullopt};
  completion.message.blocks[1].content = Text{"hello"};
  completion.usage = {10, 4, 3, 1};
  return completion;
}

TEST(OpenAiText, LogprobsOfPiecesOfCharactersAreShownAsBytes) {
  Completion completion = sample();
  completion.logprobs = {{{7, "\xE2\x82", -0.5f}, {{7, "\xE2\x82", -0.5f}, {8, "a", -1.f}}}};
  auto chat = json::parse_value(chat_response(kHead, completion));
  ASSERT_TRUE(chat);
  const auto& token = chat->at("choices").at(0).at("logprobs").at("content").at(0);
  EXPECT_EQ(token.at("bytes"), (json::Array{0xE2, 0x82}));
  EXPECT_EQ(token.at("top_logprobs").at(1).at("token"), "a");
}

// A prompt that is told again: nothing is before its first token.
TEST(OpenAiText, ScoredTokensHaveTheirOffsetsAndTheFirstHasNoScore) {
  Completion completion = sample();
  completion.logprobs = {{{7, "é", NAN}, {}}, {{8, "ab", -0.5f}, {{8, "ab", -0.5f}}}};
  auto text = json::parse_value(text_response(kHead, {&completion, 1}, completion));
  ASSERT_TRUE(text);
  const auto& logprobs = text->at("choices").at(0).at("logprobs");
  EXPECT_EQ(logprobs.at("text_offset"), (json::Array{0, 1}));
  EXPECT_EQ(logprobs.at("token_logprobs"), (json::Array{nullptr, -0.5}));
  EXPECT_EQ(logprobs.at("top_logprobs"), (json::Array{nullptr, json::Object{{"ab", -0.5}}}));
}

TEST(OpenAiText, ChoicesKeepTheirPlacesInWhateverOrderTheyEnd) {
  for (const bool is_stream : {false, true}) {
    auto asked = ask_completions(R"({"prompt":["a","b"],"stream_options":{"include_usage":true}})");
    ASSERT_TRUE(asked);
    Completion first = sample(), second = sample(), total = sample();
    second.message.blocks[1].content = Text{"bye"};
    second.finish_reason = FinishReason::length;
    total.usage.n_prompt = 20;
    AnswerShape& shape = *asked->shape;
    std::string out;
    shape.begin(kHead, out);
    shape.turn_to(1);
    shape.hear(kHead, {.text = "by"}, out);
    shape.turn_to(0);
    shape.hear(kHead, {.text = "hello"}, out);
    shape.turn_to(1);
    shape.hear(kHead, {.text = "e"}, out);
    shape.end_choice(kHead, second, out);
    shape.turn_to(0);
    shape.end_choice(kHead, first, out);
    shape.end(kHead, total, out);
    if (!is_stream) {
      auto body = json::parse_value(shape.whole(kHead, total));
      ASSERT_TRUE(body);
      EXPECT_EQ(body->at("choices").at(0).at("text"), "hello");
      EXPECT_EQ(body->at("choices").at(1).at("text"), "bye");
      EXPECT_EQ(body->at("choices").at(1).at("index"), 1);
      EXPECT_EQ(body->at("choices").at(1).at("finish_reason"), "length");
      EXPECT_EQ(body->at("usage").at("prompt_tokens"), 20);
      continue;
    }
    std::string texts[2];
    for (const SentEvent& event : read_events(out)) {
      if (!event.data.is_object() || event.data.at("choices").as_array().empty()) continue;
      const auto& choice = event.data.at("choices").at(0);
      texts[choice.at("index").as_int64()] += choice.at("text").as_string();
    }
    EXPECT_EQ(texts[0], "hello");
    EXPECT_EQ(texts[1], "bye");
    EXPECT_EQ(out.find("[DONE]"), out.rfind("[DONE]")) << "one end for all";
  }
}

TEST(OpenAiChat, WritesAWholeAnswer) {
  auto body = json::parse_value(chat_response(kHead, sample()));
  ASSERT_TRUE(body);
  const auto& choice = body->at("choices").at(0);
  EXPECT_EQ(choice.at("message").at("content"), "hello");
  EXPECT_EQ(choice.at("message").at("reasoning_content"), "hm");
  EXPECT_EQ(choice.at("finish_reason"), "stop");
  EXPECT_EQ(body->at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int>(), 4);
  EXPECT_EQ(body->at("usage").at("total_tokens").to_number<int>(), 13);
}

TEST(OpenAiChat, TheUsageSaysWhatWasWrittenToACache) {
  Completion completion = sample();
  completion.usage.n_cache_write = 2;
  completion.usage.n_cache_write_1h = 1;
  auto body = json::parse_value(chat_response(kHead, completion));
  ASSERT_TRUE(body);
  const auto& details = body->at("usage").at("prompt_tokens_details");
  EXPECT_EQ(details.at("cache_write_tokens").to_number<int>(), 3);
}

TEST(OpenAiChat, TheUsageSaysWhereThePromptWasReadAnewAndWhatWasMoved) {
  Completion completion = sample();
  completion.divergence = {70, "", "then"};
  completion.moved_lines = {"Now: noon"};
  auto body = json::parse_value(chat_response(kHead, completion));
  ASSERT_TRUE(body);
  const auto& details = body->at("usage").at("prompt_tokens_details");
  EXPECT_EQ(details.at("cache_divergence"),
            json::Value(json::Object{{"position", 70u}, {"prompt", "then"}}));
  EXPECT_EQ(details.at("moved_lines"), json::Value(json::Array{"Now: noon"}));
}

TEST(OpenAiChat, WritesNullContentBesideToolCalls) {
  Completion completion;
  completion.finish_reason = FinishReason::tool_calls;
  completion.message.blocks.emplace_back().content = ToolCall{"c", "f", "{}"};
  auto body = json::parse_value(chat_response(kHead, completion));
  ASSERT_TRUE(body);
  const auto& message = body->at("choices").at(0).at("message");
  EXPECT_TRUE(message.at("content").is_null());
  EXPECT_EQ(message.at("tool_calls").at(0).at("function").at("name"), "f");
}

TEST(OpenAiChat, StreamsUsageInAChunkWithoutChoices) {
  auto chunk = json::parse_value(usage_chunk(kHead, true, sample()));
  ASSERT_TRUE(chunk);
  EXPECT_TRUE(chunk->at("choices").as_array().empty());
  EXPECT_EQ(chunk->at("usage").at("prompt_tokens").to_number<int>(), 10);
}

Failure ours(Errc code, std::string message = "x") { return Error{code, std::move(message)}; }

Failure providers(Errc code, long status, std::string word = "") {
  Failure failure = Error{code, "acme answered"};
  failure.speaker = "acme";
  failure.http_status = status;
  failure.word = std::move(word);
  return failure;
}

std::string code_of(const ErrorReply& reply) {
  auto body = json::parse_value(reply.body);
  return body ? std::string(body->at("error").at("code").as_string()) : "";
}

TEST(OpenAiError, StatesBothNumbersWhenTheContextIsExceeded) {
  for (Failure failure :
       {ours(Errc::context_exceeded), providers(Errc::context_exceeded, 413, "too_big")}) {
    failure.n_prompt = 9000;
    failure.n_context = 8192;
    ErrorReply reply = error_reply(failure);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(code_of(reply), "context_length_exceeded")
        << "whoever says it: clients compact on it";
    EXPECT_THAT(reply.body, HasSubstr("8192"));
    EXPECT_THAT(reply.body, HasSubstr("9000"));
  }
}

TEST(OpenAiError, HearthsFailuresAreHearths) {
  struct Case {
    Errc code;
    int status;
    std::string_view word;
  };
  for (const Case& each : {Case{Errc::invalid, 400, "invalid_request"},
                           {Errc::not_found, 404, "model_not_found"},
                           {Errc::denied, 403, "policy_denied"},
                           {Errc::timeout, 504, "timeout"},
                           {Errc::busy, 503, "overloaded"},
                           {Errc::over_budget, 402, "over_budget"},
                           {Errc::unsupported, 400, "unsupported"},
                           {Errc::corrupt, 500, "model_corrupt"},
                           {Errc::io, 500, "io_error"},
                           {Errc::upstream, 500, "engine_failed"},
                           {Errc::internal, 500, "internal_error"}}) {
    ErrorReply reply = error_reply(ours(each.code));
    EXPECT_EQ(reply.status, each.status) << each.word;
    EXPECT_EQ(code_of(reply), each.word);
    EXPECT_THAT(reply.body, Not(HasSubstr("\"provider\"")));
  }
  Failure no_key = ours(Errc::denied);
  no_key.word = "no_api_key";
  EXPECT_EQ(code_of(error_reply(no_key)), "no_api_key");
}

TEST(OpenAiError, AProvidersFailuresAreTheProviders) {
  struct Case {
    Failure failure;
    int status;
    std::string_view word;
  };
  for (const Case& each :
       {Case{providers(Errc::invalid, 400, "bad_value"), 400, "bad_value"},
        {providers(Errc::invalid, 422), 422, "provider_refused"},
        {providers(Errc::denied, 401, "invalid_api_key"), 403, "invalid_api_key"},
        {providers(Errc::denied, 403), 403, "provider_denied"},
        {providers(Errc::over_budget, 402), 402, "provider_quota"},
        {providers(Errc::over_budget, 429, "insufficient_quota"), 429, "insufficient_quota"},
        {providers(Errc::not_found, 404), 404, "provider_not_found"},
        {providers(Errc::busy, 429, "rate_limit_exceeded"), 429, "rate_limit_exceeded"},
        {providers(Errc::busy, 529, "overloaded_error"), 503, "overloaded_error"},
        {providers(Errc::timeout, 408), 504, "provider_timeout"},
        {providers(Errc::timeout, 0), 504, "provider_timeout"},
        {providers(Errc::upstream, 500), 502, "provider_failed"},
        {providers(Errc::upstream, 0), 502, "provider_failed"},
        {providers(Errc::invalid, 307), 400, "provider_refused"}}) {
    ErrorReply reply = error_reply(each.failure);
    EXPECT_EQ(reply.status, each.status) << each.failure.http_status << " " << each.word;
    EXPECT_EQ(code_of(reply), each.word);
    EXPECT_THAT(reply.body, HasSubstr(R"("provider":"acme")"));
  }
}

TEST(OpenAiError, AWaitIsTheProvidersOrOursWhenBusy) {
  EXPECT_EQ(error_reply(ours(Errc::busy)).retry_after_s, 1);
  EXPECT_FALSE(error_reply(ours(Errc::invalid)).retry_after_s);
  Failure slow = providers(Errc::busy, 429);
  EXPECT_FALSE(error_reply(slow).retry_after_s) << "it named none";
  slow.retry_after = std::chrono::seconds(42);
  EXPECT_EQ(error_reply(slow).retry_after_s, 42);
}

}  // namespace
}  // namespace hearth::wire::openai
