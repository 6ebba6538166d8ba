// Reads a whole answer through a dialect, cut into pieces as told, and writes down what came of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dialects/dialect.h"

namespace hearth::testing {

inline std::vector<ToolSpec> sample_tools() {
  auto tool = [](std::string name, std::string parameters) {
    return ToolSpec{std::move(name), "", {std::move(parameters)}, ""};
  };
  return {tool("get_weather", R"({"type":"object","properties":{
             "city":{"type":"string"},"days":{"type":"integer"},
             "wind":{"type":"boolean"},"unit":{"enum":["c","f"]}}})"),
          tool("edit", R"({"type":"object","properties":{
             "path":{"type":"string"},"old":{"type":"string"},"lines":{"type":"array"},
             "at":{"type":["integer","null"]},"options":{"type":"object"}}})"),
          tool("now", R"({"type":"object","properties":{}})")};
}

struct ReadOptions {
  const dialects::Dialect* dialect = nullptr;
  const dialects::ReasoningMarkers* markers = nullptr;
  bool is_cut = false;
  std::vector<std::string> stop_strings{};
  bool has_one_call = false;
};

struct Outcome {
  Message message;
  std::optional<std::string> stop_string;
};

inline Outcome read_message(const std::vector<std::string>& pieces, const ReadOptions& options) {
  dialects::Source source;
  int n_ids = 0;
  dialects::Reply reply(source, {.tools = dialects::Tools(sample_tools()),
                                 .stop_strings = options.stop_strings,
                                 .new_id = [&] { return "#" + std::to_string(n_ids++); },
                                 .has_one_call = options.has_one_call});
  auto reading = read_answer(source, reply, options.dialect, options.markers);
  reading.start();
  Outcome outcome;
  auto take = [&] {
    for (const auto& piece : reply.take()) append(outcome.message, piece.delta);
  };
  for (const std::string& piece : pieces) {
    source.push(piece);
    take();
  }
  source.finish(options.is_cut);
  take();
  outcome.stop_string = reply.stop_string();
  return outcome;
}

// "text" as it is, reasoning in (), calls as [id name arguments]. Neighbours of a kind are one.
inline std::string read(const std::vector<std::string>& pieces, const ReadOptions& options) {
  const Outcome outcome = read_message(pieces, options);
  std::string out;
  for (const Block& block : outcome.message.blocks) {
    if (const auto* text = std::get_if<Text>(&block.content)) out += text->text;
    if (const auto* thought = std::get_if<Reasoning>(&block.content))
      out += "(" + thought->text + ")";
    if (const auto* call = std::get_if<ToolCall>(&block.content))
      out += "[" + call->id + " " + call->name + " " + call->arguments + "]";
  }
  if (outcome.stop_string) out += "|" + *outcome.stop_string;
  return out;
}

inline const dialects::Dialect* dialect_named(std::string_view name) {
  for (const dialects::Dialect& row : dialects::table())
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace hearth::testing
