#include "router/needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "router/providers.h"
#include "router/providers/table.h"

namespace hearth::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Needs, APlainConversationHasNone) {
  CompletionRequest request;
  request.messages = {text_message(Role::user, "Hi")};
  request.sampling.temperature = 0.5f;
  request.reasoning.effort = Effort::high;
  EXPECT_THAT(needs_of(request), IsEmpty());
}

TEST(Needs, AValueThatChangesNothingIsNone) {
  CompletionRequest request;
  request.sampling.top_k = 0;
  request.sampling.min_p = 0.f;
  request.sampling.repeat_penalty = 1.f;
  request.sampling.presence_penalty = 0.f;
  request.sampling.frequency_penalty = 0.f;
  request.tool_choice.parallel = false;  // without tools
  EXPECT_THAT(needs_of(request), IsEmpty());
}

TEST(Needs, EveryControlIsOne) {
  CompletionRequest request;
  request.prompt = "once";
  request.tools = {{"f", "", {}, {}}};
  request.tool_choice = {ToolChoice::Mode::required, "", false};
  request.response_format.kind = ResponseFormat::Kind::json_schema;
  Sampling& sampling = request.sampling;
  sampling.top_k = 1;
  sampling.min_p = 0.1f;
  sampling.repeat_penalty = 1.1f;
  sampling.presence_penalty = sampling.frequency_penalty = 0.1f;
  sampling.seed = 0;
  sampling.logit_bias = {{1, 1}};
  request.stop = {"x"};
  request.ignore_eos = true;
  request.template_variables.text = "{}";
  Message image;
  image.blocks.emplace_back().content = Image{};
  request.messages = {image};
  request.infill = Infill{};
  request.n_logprobs = 0;
  Needs all = needs_of(request);
  request.response_format.kind = ResponseFormat::Kind::json_object;
  EXPECT_THAT(all_but(all), ElementsAre(Need::json_object, Need::grammar));
  EXPECT_THAT(all_but(needs_of(request)), ElementsAre(Need::json_schema, Need::grammar));
  request.response_format.kind = ResponseFormat::Kind::regex;
  EXPECT_THAT(all_but(needs_of(request)), ElementsAre(Need::json_object, Need::json_schema));
}

TEST(Needs, ForbiddenToolsNeedNoTools) {
  CompletionRequest request;
  request.tools = {{"f", "", {}, {}}};
  request.tool_choice.mode = ToolChoice::Mode::none;
  EXPECT_THAT(needs_of(request), IsEmpty());
}

TEST(Needs, WhatIsLackingIsNamedAsClientsWriteIt) {
  EXPECT_EQ(why_not({Need::seed, Need::json_schema}, {Need::json_schema, Need::top_k}),
            "cannot honour response_format.json_schema");
  EXPECT_EQ(why_not({Need::tools}, {Need::top_k}), "");
}

// Of the wire, more or less than it.
TEST(Needs, AProvidersRowSaysWhatItLacks) {
  auto lacks = [](std::string_view provider, Need need) {
    Target target;
    target.provider = provider;
    return std::ranges::count(lacks_of(target), need) > 0;
  };
  EXPECT_TRUE(lacks("acme", Need::top_k));
  EXPECT_FALSE(lacks("vllm", Need::top_k));
  EXPECT_FALSE(lacks("acme", Need::json_schema));
  EXPECT_TRUE(lacks("deepseek", Need::json_schema));
  EXPECT_TRUE(lacks("anthropic", Need::seed));
  EXPECT_TRUE(lacks("openai-responses", Need::stop));
  EXPECT_FALSE(lacks("openai", Need::stop));
  for (const ProviderRow& row : provider_rows())
    EXPECT_TRUE(lacks(row.name, Need::bare_prompt)) << row.name << ": no wire has it";
}

TEST(Needs, AnotherWireOfTheSameProviderHonoursWhatItCan) {
  Target target;
  target.provider = "vllm";
  target.wire = "responses";
  EXPECT_EQ(std::ranges::count(lacks_of(target), Need::top_k), 1) << "an extra of its chat wire";
  target.wire = "messages";
  EXPECT_EQ(std::ranges::count(lacks_of(target), Need::top_k), 0);
}

TEST(ThinksBeside, IsLimitedOnAnthropicsWireAlone) {
  Target claude;
  claude.kind = TargetKind::api;
  claude.provider = "anthropic";
  auto thinks = [](const Target& target, auto set) {
    CompletionRequest request;
    set(request);
    return thinks_beside(target, request);
  };
  EXPECT_TRUE(thinks(claude, [](auto&) {}));
  EXPECT_TRUE(thinks(claude, [](auto& r) { r.sampling.temperature = 1.0f; }));
  EXPECT_TRUE(thinks(claude, [](auto& r) { r.sampling.top_p = 0.95f; }));
  EXPECT_TRUE(thinks(claude, [](auto& r) { r.tool_choice.mode = ToolChoice::Mode::none; }));
  Target other = claude, by_wire = claude;
  other.provider = "openai";
  by_wire.provider = "acme";
  by_wire.wire = "messages";
  auto forbidden = [&](auto set) {
    return !thinks(claude, set) && !thinks(by_wire, set) && thinks(other, set);
  };
  EXPECT_TRUE(forbidden([](auto& r) { r.sampling.temperature = 0.2f; }));
  EXPECT_TRUE(forbidden([](auto& r) { r.sampling.top_k = 40; }));
  EXPECT_TRUE(forbidden([](auto& r) { r.tool_choice.mode = ToolChoice::Mode::required; }));
  EXPECT_TRUE(forbidden([](auto& r) { r.tool_choice.mode = ToolChoice::Mode::named; }));
}

}  // namespace
}  // namespace hearth::router
