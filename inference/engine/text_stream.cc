#include "engine/text_stream.h"

#include <algorithm>

#include "engine/utf8.h"
#include "support/id.h"

namespace hearth::engine {

TextStream::Reader::Reader(Options options)
    : dialect(options.dialect),
      markers(std::move(options.markers)),
      reply(source, {.tools = std::move(options.tools),
                     .stop_strings = std::move(options.stop_strings),
                     .new_id = [] { return make_id("call"); },
                     .has_one_call = options.has_one_call}),
      reading(read_answer(source, reply, dialect, markers ? &*markers : nullptr)) {
  reading.start();
}

TextStream::TextStream(const Tokenizer& tokenizer, Options options) : tokenizer_(tokenizer) {
  std::optional<dialects::ReasoningMarkers>& markers = options.markers;
  if (markers && (markers->open.empty() || markers->close.empty())) markers.reset();
  if (markers) special_ = {markers->open, markers->close};
  if (options.dialect)
    special_.insert(special_.end(), options.dialect->special.begin(),
                    options.dialect->special.end());
  reader_ = std::make_unique<Reader>(std::move(options));
}

std::vector<StreamDelta> TextStream::push(Token token, std::optional<TokenLogprob> logprob) {
  std::vector<StreamDelta> out;
  if (stop_string()) return out;
  const bool is_shown = std::ranges::count(special_, tokenizer_.text(token)) > 0;
  bytes_ += tokenizer_.piece(token, is_shown);
  std::string text;
  move_whole_utf8(bytes_, text);
  n_pushed_ += text.size();
  tokens_.push_back({token, n_pushed_ + (bytes_.empty() ? 0 : 1), std::move(logprob)});
  reader_->source.push(text);
  add_told(out);
  return out;
}

std::vector<StreamDelta> TextStream::finish(bool is_cut) {
  std::vector<StreamDelta> out;
  if (stop_string()) return out;
  std::string text;
  move_whole_utf8(bytes_, text, true);
  n_pushed_ += text.size();
  reader_->source.push(text);
  reader_->source.finish(is_cut);
  add_told(out);
  if (tokens_.empty() || stop_string()) return out;
  // Those of an end marker, say: nothing of it is told, but it is part of the answer.
  if (out.empty()) {
    out.push_back({.kind = n_calls() > 0 ? StreamDelta::Kind::tool_call : StreamDelta::Kind::text});
    if (n_calls() > 0) out.back().tool_index = static_cast<uint32_t>(n_calls() - 1);
  }
  for (Pending& pending : tokens_) add(std::move(pending), out.back());
  tokens_.clear();
  return out;
}

void TextStream::add(Pending pending, StreamDelta& delta) {
  delta.tokens.push_back(pending.token);
  if (pending.logprob) delta.logprobs.push_back(std::move(*pending.logprob));
}

void TextStream::add_told(std::vector<StreamDelta>& out) {
  for (dialects::Reply::Piece& piece : reader_->reply.take()) {
    StreamDelta& delta = piece.delta;
    for (; !tokens_.empty() && tokens_.front().end <= piece.end; tokens_.pop_front())
      add(std::move(tokens_.front()), delta);
    if (delta.text.empty() && delta.tokens.empty() && delta.tool_name.empty()) continue;
    out.push_back(std::move(delta));
  }
}

}  // namespace hearth::engine
