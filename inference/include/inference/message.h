// Canonical messages: the one form in which Hearth holds a conversation. Every wire (editor
// protocol, OpenAI, Anthropic, Gemini, MCP) converts to and from it, losslessly; sessions log it,
// the router labels it, the engine renders it through the model's template.
//
// Plain data, any thread. The order of blocks in a message is the order in which they were
// produced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "support/record.h"

namespace hearth {

using Token = int32_t;

enum class Role { system, developer, user, assistant, tool };

template <>
struct EnumNames<Role> {
  static constexpr std::pair<Role, std::string_view> names[] = {
      {Role::system, "system"},       {Role::developer, "developer"}, {Role::user, "user"},
      {Role::assistant, "assistant"}, {Role::tool, "tool"},
  };
};

struct Text {
  static constexpr std::string_view kType = "text";
  std::string text;
  static void fields(auto& self, auto&& field) { field("text", self.text); }
};

struct Image {
  static constexpr std::string_view kType = "image";
  std::string url;     // as given: https:, file: or data: with the bytes
  std::string detail;  // "", "low", "high", "auto"
  static void fields(auto& self, auto&& field) {
    field("url", self.url);
    field.or_default("detail", self.detail);
  }
};

// A model's thinking. Providers that sign it want text and signature back unchanged.
struct Reasoning {
  static constexpr std::string_view kType = "reasoning";
  std::string text;
  std::optional<std::string> signature;
  static void fields(auto& self, auto&& field) {
    field("text", self.text);
    field("signature", self.signature);
  }
};

struct ToolCall {
  static constexpr std::string_view kType = "toolCall";
  std::string id;
  std::string name;
  std::string arguments;  // exactly as the model wrote it; not necessarily valid JSON
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("name", self.name);
    field("arguments", self.arguments);
  }
};

// The text of a tool's result; images that belong to it follow as blocks of the same message.
struct ToolResult {
  static constexpr std::string_view kType = "toolResult";
  std::string call_id;
  std::string text;
  bool is_error = false;
  static void fields(auto& self, auto&& field) {
    field("callId", self.call_id);
    field("text", self.text);
    field.or_default("isError", self.is_error);
  }
};

// A part that only its provider understands (encrypted reasoning, server-side tool state): kept,
// returned to the same provider, dropped for all others.
struct Opaque {
  static constexpr std::string_view kType = "opaque";
  std::string provider;
  RawJson part;
  static void fields(auto& self, auto&& field) {
    field("provider", self.provider);
    field("part", self.part);
  }
};

// Where a block's text came from. Labels and egress rules are decided on it.
struct Source {
  std::optional<std::string> path;  // of a file, relative to the repository
  std::optional<std::string> repo;  // root of the repository
  std::optional<std::string> tool;  // name of the tool that produced it
  static void fields(auto& self, auto&& field) {
    field("path", self.path);
    field("repo", self.repo);
    field("tool", self.tool);
  }
};

struct Block {
  std::variant<Text, Image, Reasoning, ToolCall, ToolResult, Opaque> content;
  std::optional<Source> source;
  std::vector<std::string> labels;  // privacy labels; they never come off by derivation
  std::vector<Token> tokens;        // local answers: the ids the engine produced, else empty
  std::string cache;  // a client's breakpoint: remote caches keep all up to here for "5m" or "1h"
  static void fields(auto& self, auto&& field) {
    field("content", self.content);
    field("source", self.source);
    field.or_default("labels", self.labels);
    field.or_default("tokens", self.tokens);
    field.or_default("cache", self.cache);
  }
};

struct Message {
  std::string id;  // unique in its session; empty outside of one
  Role role = Role::user;
  std::vector<Block> blocks;
  std::optional<std::string> name;   // speaker's name, where a wire has one
  std::optional<std::string> model;  // who wrote an assistant message
  static void fields(auto& self, auto&& field) {
    field.or_default("id", self.id);
    field("role", self.role);
    field("blocks", self.blocks);
    field("name", self.name);
    field("model", self.model);
  }
};

// A tool offered to the model. `parameters` is the JSON Schema that the client sent.
struct ToolSpec {
  std::string name;
  std::string description;
  RawJson parameters;
  std::string cache;       // as Block's
  bool is_strict = false;  // of its schema nothing may be left out
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field.or_default("description", self.description);
    field("parameters", self.parameters);
    field.or_default("cache", self.cache);
    field.or_default("strict", self.is_strict);
  }
};

// All Text blocks joined, in order; other kinds are left out.
std::string text_of(const Message& message);
Message text_message(Role role, std::string text);

}  // namespace hearth
