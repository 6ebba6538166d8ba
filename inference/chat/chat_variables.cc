#include "chat/chat_variables.h"

#include <algorithm>
#include <map>
#include <utility>

#include "chat/tool_lesson.h"

namespace hearth::chat {

namespace {

using json::Array;
using json::Object;
using json::Value;

// Nine letters and digits that stand for an id of any form.
std::string short_id(const std::string& id) {
  constexpr size_t kLength = 9;
  auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  if (id.size() == kLength && std::all_of(id.begin(), id.end(), is_plain)) return id;
  constexpr std::string_view kDigits =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string out;
  for (size_t i = 0; i < kLength; ++i, hash /= kDigits.size())
    out += kDigits[hash % kDigits.size()];
  return out;
}

// Messages become rows one by one; then the rows are fitted to what the template takes.
class Conversation {
 public:
  explicit Conversation(const Abilities& abilities) : abilities_(abilities) {}

  Result<> add(const Message& message) {
    Object row{{"role", role_of(message)}, {"content", text_of(message)}};
    if (message.name) row["name"] = *message.name;
    std::string reasoning;
    Array calls;
    for (const Block& block : message.blocks) {
      if (const auto* thought = std::get_if<Reasoning>(&block.content)) {
        reasoning += thought->text;
      } else if (const auto* call = std::get_if<ToolCall>(&block.content)) {
        calls.push_back(row_of(*call));
        if (!abilities_.has_tool_turns) append(row, call_as_text(*call));
      } else if (const auto* result = std::get_if<ToolResult>(&block.content)) {
        rows_.push_back(row_of(*result));
      } else if (std::holds_alternative<Image>(block.content)) {
        return Error{Errc::unsupported,
                     "the local model reads text only, but the conversation holds an image"};
      }
    }
    if (message.role == Role::tool) return {};
    if (!abilities_.has_tool_turns) calls.clear();  // they are text by now
    add_row(std::move(row), std::move(reasoning), std::move(calls));
    return {};
  }

  Array finish() && {
    join_runs("system", 0);
    if (!abilities_.has_system)
      move_system_into_user();
    else if (!abilities_.has_late_system)
      turn_late_system_into_user();
    if (!abilities_.has_user_runs) join_runs("user", SIZE_MAX);
    if (!abilities_.has_parallel_calls) split_calls();
    Array rows;
    for (Object& row : rows_) {
      if (abilities_.wants_parts && row["content"].is_string()) {
        Value text = row["content"];
        row["content"] = Array{Object{{"type", "text"}, {"text", std::move(text)}}};
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  std::string_view role_of(const Message& message) const {
    bool plain_system = message.role == Role::developer && !abilities_.has_developer;
    return enum_name(plain_system ? Role::system : message.role);
  }

  void add_row(Object row, std::string reasoning, Array calls) {
    bool has_calls = !calls.empty();
    if (has_calls && abilities_.wants_one_text && !reasoning.empty() && row["content"] != "") {
      reasoning.append("\n\n").append(row["content"].as_string());
      row["content"] = "";
    }
    if (!reasoning.empty()) {  // both names are in use
      row["reasoning_content"] = reasoning;
      row["thinking"] = reasoning;
    }
    if (has_calls && abilities_.wants_null_content) {
      if (row["content"] != "") rows_.push_back(std::exchange(row, Object{{"role", "assistant"}}));
      row["content"] = nullptr;
    }
    if (has_calls) row["tool_calls"] = std::move(calls);
    rows_.push_back(std::move(row));
  }

  std::string id_of(const std::string& id) const {
    return abilities_.wants_short_ids ? short_id(id) : id;
  }

  Object row_of(const ToolCall& call) {
    names_[call.id] = call.name;
    Object function{{"name", call.name}, {"arguments", arguments_of(call)}};
    return Object{{"id", id_of(call.id)}, {"type", "function"}, {"function", std::move(function)}};
  }

  // Arguments that are no JSON object stay the text that the model wrote.
  Value arguments_of(const ToolCall& call) const {
    if (abilities_.wants_argument_text) return Value(call.arguments);
    auto object = json::parse_value(call.arguments.empty() ? "{}" : call.arguments);
    return object && object->is_object() ? std::move(*object) : Value(call.arguments);
  }

  Object row_of(const ToolResult& result) const {
    if (!abilities_.has_tool_turns)
      return Object{{"role", "user"}, {"content", result_as_text(result)}};
    auto name = names_.find(result.call_id);
    Object row{{"role", "tool"}, {"tool_call_id", id_of(result.call_id)}, {"content", result.text}};
    if (name != names_.end()) row["name"] = name->second;
    return row;
  }

  static bool is(const Object& row, std::string_view role) {
    return row.at("role").as_string() == role;
  }

  static void append(Object& row, std::string_view text) {
    std::string joined(row["content"].as_string());
    if (!joined.empty() && !text.empty()) joined += "\n\n";
    row["content"] = joined.append(text);
  }

  // Neighbours of a role become one; only those that start within the first `last_start` + 1 rows.
  void join_runs(std::string_view role, size_t last_start) {
    std::vector<Object> joined;
    for (Object& row : rows_) {
      bool continues = !joined.empty() && is(joined.back(), role) && is(row, role) &&
                       joined.size() - 1 <= last_start;
      if (continues)
        append(joined.back(), std::string_view(row["content"].as_string()));
      else
        joined.push_back(std::move(row));
    }
    rows_ = std::move(joined);
  }

  void move_system_into_user() {
    std::vector<Object> moved;
    std::optional<Object> system;  // waits for the next user message
    for (Object& row : rows_) {
      if (is(row, "system")) {
        if (system)
          append(*system, std::string_view(row["content"].as_string()));
        else
          system = std::move(row);
      } else if (system && is(row, "user")) {
        append(*system, std::string_view(row["content"].as_string()));
        row["content"] = (*system)["content"];
        system.reset();
        moved.push_back(std::move(row));
      } else {
        moved.push_back(std::move(row));
      }
    }
    if (system) {
      (*system)["role"] = "user";
      moved.push_back(std::move(*system));
    }
    rows_ = std::move(moved);
  }

  // In its place: hoisting it to the top would change the prompt before what is already cached.
  void turn_late_system_into_user() {
    for (size_t i = 1; i < rows_.size(); ++i)
      if (is(rows_[i], "system")) rows_[i]["role"] = "user";
  }

  // A call id's, in their order. Where calls share one, as without any, each has one result and the
  // last call the rest.
  struct Answers {
    size_t n_calls = 0, n_taken = 0;
    std::vector<Object*> results;
  };

  // A message for each call, each with its results behind it.
  void split_calls() {
    std::vector<Object> split;
    for (size_t i = 0, end; i < rows_.size(); i = end) {
      end = i + 1;
      Object row = std::move(rows_[i]);
      const Value* calls = row.if_contains("tool_calls");
      if (calls == nullptr || calls->as_array().size() < 2) {
        split.push_back(std::move(row));
        continue;
      }
      while (end < rows_.size() && is(rows_[end], "tool")) ++end;
      const auto results = std::span(rows_).subspan(i + 1, end - i - 1);
      const Array all = calls->as_array();
      std::map<std::string_view, Answers> answers;
      for (const Value& call : all) ++answers[call.at("id").as_string()].n_calls;
      for (Object& result : results)
        if (auto its = answers.find(result.at("tool_call_id").as_string()); its != answers.end())
          its->second.results.push_back(&result);
      for (const Value& call : all) {
        row["tool_calls"] = Array{call};
        split.push_back(std::move(row));
        Answers& its = answers[call.at("id").as_string()];
        const size_t n_due = --its.n_calls > 0 ? its.n_taken + 1 : its.results.size();
        for (; its.n_taken < std::min(n_due, its.results.size()); ++its.n_taken)
          split.push_back(std::exchange(*its.results[its.n_taken], {}));
        row = Object{{"role", "assistant"}, {"content", split_content()}};
      }
      for (Object& result : results)  // of calls that nobody made
        if (!result.empty()) split.push_back(std::move(result));
    }
    rows_ = std::move(split);
  }

  Value split_content() const { return abilities_.wants_null_content ? Value(nullptr) : Value(""); }

  const Abilities& abilities_;
  std::vector<Object> rows_;
  std::map<std::string, std::string> names_;  // call id -> tool
};

constexpr std::string_view kNamesOfSchemas[] = {"properties", "patternProperties", "$defs",
                                                "definitions", "dependentSchemas"};
constexpr std::string_view kValues[] = {"default", "const", "enum", "examples"};

// Of a schema and all that is in it, as far down as anyone writes them.
void write_defaults_as_text(Value& schema, int n_levels = 64) {
  if (n_levels == 0) return;
  if (schema.is_array())
    for (Value& each : schema.get_array()) write_defaults_as_text(each, n_levels - 1);
  if (!schema.is_object()) return;
  Object& object = schema.get_object();
  Value* given = object.if_contains("default");
  const bool fails = object.contains("enum") || object.contains("oneOf");
  if (fails && given && !given->is_string()) *given = boost::json::serialize(*given);
  for (auto& member : object) {
    const std::string_view key = member.key();
    if (std::ranges::count(kValues, key) > 0) continue;
    if (std::ranges::count(kNamesOfSchemas, key) > 0 && member.value().is_object())
      for (auto& named : member.value().get_object())
        write_defaults_as_text(named.value(), n_levels - 1);
    else
      write_defaults_as_text(member.value(), n_levels - 1);
  }
}

}  // namespace

Result<Array> messages_of(std::span<const Message> messages, const Abilities& abilities) {
  Conversation conversation(abilities);
  for (const Message& message : messages)
    if (auto added = conversation.add(message); !added) return added.error();
  return std::move(conversation).finish();
}

Array tools_of(std::span<const ToolSpec> tools, Defaults defaults) {
  Array rows;
  for (const ToolSpec& tool : tools) {
    auto schema = json::parse_value(tool.parameters.text);
    Value parameters = Object{{"type", "object"}, {"properties", Object{}}};
    if (schema && schema->is_object()) parameters = std::move(*schema);
    if (defaults == Defaults::as_text) write_defaults_as_text(parameters);
    Object function{{"name", tool.name},
                    {"description", tool.description},
                    {"parameters", std::move(parameters)}};
    rows.push_back(Object{{"type", "function"}, {"function", std::move(function)}});
  }
  return rows;
}

}  // namespace hearth::chat
