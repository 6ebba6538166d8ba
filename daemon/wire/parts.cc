#include "wire/parts.h"

#include "support/id.h"
#include "support/json.h"

namespace hearth::wire {

using Kind = StreamDelta::Kind;

void Parts::hear(const StreamDelta& delta) {
  if (delta.kind == Kind::progress) return;
  if (delta.kind == Kind::tool_call) return hear_call(delta);
  if (delta.text.empty()) return;  // tokens that complete no character yet
  release_held();
  if (delta.kind == Kind::opaque) {
    const bool has_reasoning = open_ && open_->kind == Kind::reasoning;
    if (!has_reasoning) close();
    sink_.opaque(has_reasoning ? &*open_ : nullptr, delta.provider, delta.text);
    return close();  // it ends the reasoning it belongs to
  }
  if (!open_ || open_->kind != delta.kind) begin(delta.kind);
  say(delta.text);
}

void Parts::hear_call(const StreamDelta& delta) {
  const bool is_call_open = open_ && open_->kind == Kind::tool_call;
  if (is_call_open && delta.tool_index == open_call_) {
    say(delta.text);
    return;
  }
  if (delta.tool_index < n_calls_) return;  // a piece for a call that was whole without it
  auto [held, is_new] = held_.try_emplace(delta.tool_index, delta);
  if (!is_new) {
    held->second.text += delta.text;
    if (held->second.tool_name.empty()) held->second.tool_name = delta.tool_name;
    if (held->second.tool_id.empty()) held->second.tool_id = delta.tool_id;
  }
  if (!is_call_open || json::parse_value(open_->text)) {
    StreamDelta next = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    begin_call(next);
  }
}

void Parts::begin(Kind kind) {
  close();
  open_.emplace().kind = kind;
  sink_.open(*open_);
}

void Parts::begin_call(const StreamDelta& delta) {
  close();
  Part& part = open_.emplace();
  part.kind = Kind::tool_call;
  part.call_id = delta.tool_id.empty() ? make_id("call") : delta.tool_id;
  part.name = delta.tool_name.empty() ? "unnamed" : delta.tool_name;
  open_call_ = delta.tool_index;
  n_calls_ = delta.tool_index + 1;
  sink_.open(part);
  say(delta.text);
}

void Parts::say(std::string_view text) {
  if (text.empty()) return;
  open_->text += text;
  sink_.piece(*open_, text);
}

void Parts::close() {
  if (!open_) return;
  const Part part = std::move(*open_);
  open_.reset();
  sink_.close(part);
}

void Parts::release_held() {
  while (!held_.empty()) {
    StreamDelta next = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    begin_call(next);
  }
}

void Parts::finish() {
  release_held();
  close();
}

std::vector<StreamDelta> deltas_of(const Message& message) {
  std::vector<StreamDelta> deltas;
  uint32_t n_calls = 0;
  for (const Block& block : message.blocks) {
    StreamDelta delta;
    if (auto* text = std::get_if<Text>(&block.content)) {
      delta.text = text->text;
    } else if (auto* thought = std::get_if<Reasoning>(&block.content)) {
      delta.kind = Kind::reasoning;
      delta.text = thought->text;
    } else if (auto* call = std::get_if<ToolCall>(&block.content)) {
      delta.kind = Kind::tool_call;
      delta.text = call->arguments;
      delta.tool_index = n_calls++;
      delta.tool_id = call->id;
      delta.tool_name = call->name;
    } else if (auto* opaque = std::get_if<Opaque>(&block.content)) {
      delta.kind = Kind::opaque;
      delta.text = opaque->part.text;
      delta.provider = opaque->provider;
    } else {
      continue;
    }
    deltas.push_back(std::move(delta));
  }
  return deltas;
}

}  // namespace hearth::wire
