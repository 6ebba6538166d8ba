// Everything of a request that could leave with it, text by text. It walks over the records' own
// lists of fields, so that a field that is added later is not forgotten.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "inference/completion.h"

namespace hearth::router {

struct Piece {
  std::string_view text;
  uint32_t message = 0;    // from 1; 0: beside the conversation (prompt, tools, settings)
  Block* block = nullptr;  // whose it is; null: no block's
};

namespace detail {

template <class Visit>
struct Texts {
  Visit& visit;

  template <class T>
  void operator()(std::string_view, T& member) {
    read(member);
  }
  template <class T>
  void or_default(std::string_view, T& member) {
    read(member);
  }

  template <class T>
  void read(T& value) {
    using Plain = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Plain, std::string>) {
      visit(value);
    } else if constexpr (std::is_same_v<Plain, RawJson>) {
      visit(value.text);
    } else if constexpr (hearth::detail::is_optional<Plain>::value) {
      if (value) read(*value);
    } else if constexpr (hearth::detail::is_vector<Plain>::value) {
      for (auto& item : value) read(item);
    } else if constexpr (hearth::detail::is_variant<Plain>::value) {
      std::visit([this](auto& alternative) { this->read(alternative); }, value);
    } else if constexpr (Record<Plain>) {
      Plain::fields(value, *this);
    }
  }
};

template <class T, class Visit>
void each_text(T& record, Visit visit) {
  Texts<Visit>{visit}.read(record);
}

// All fields but one.
template <class Visit>
struct TextsBeside {
  std::string_view left_out;
  Texts<Visit> texts;

  template <class T>
  void operator()(std::string_view name, T& member) {
    if (name != left_out) texts.read(member);
  }
  template <class T>
  void or_default(std::string_view name, T& member) {
    (*this)(name, member);
  }
};

}  // namespace detail

// visit(Piece) for each text that is not empty. Labels and sources stay here and are not told of.
template <class Visit>
void each_piece(CompletionRequest& request, Visit visit) {
  uint32_t n_message = 0;
  for (Message& message : request.messages) {
    ++n_message;
    for (Block& block : message.blocks)
      detail::each_text(block.content, [&](const std::string& text) {
        if (!text.empty()) visit(Piece{text, n_message, &block});
      });
    if (message.name && !message.name->empty()) visit(Piece{*message.name, n_message, nullptr});
  }
  auto beside = [&](const std::string& text) {
    if (!text.empty()) visit(Piece{text, 0, nullptr});
  };
  detail::TextsBeside<decltype(beside)> rest{"messages", {beside}};
  CompletionRequest::fields(request, rest);
}

// What a block says, without names and ids. Null: nothing in letters.
inline const std::string* main_text(const Block& block) {
  if (auto* text = std::get_if<Text>(&block.content)) return &text->text;
  if (auto* thought = std::get_if<Reasoning>(&block.content)) return &thought->text;
  if (auto* call = std::get_if<ToolCall>(&block.content)) return &call->arguments;
  if (auto* result = std::get_if<ToolResult>(&block.content)) return &result->text;
  return nullptr;
}

}  // namespace hearth::router
