// Result<T>: a value or an Error. Every operation that can fail for a reason outside our own code
// returns one; assert is for our own mistakes. There is no TRY macro: two plain lines read better.
//
//   auto model = gguf::open(path);
//   if (!model) return model.error();
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace hearth {

// A code means a reaction, so there are few. The text is for people.
enum class Errc {
  invalid,           // the request is wrong: fix it, do not retry
  not_found,         // the named thing does not exist
  denied,            // not allowed: authentication, policy, trust
  cancelled,         // the caller withdrew; not an error to report
  timeout,           // a deadline passed
  busy,              // try again later
  over_budget,       // a budget or quota is spent
  context_exceeded,  // the prompt does not fit the model's context: shrink it
  unsupported,       // understood, but this build or model cannot do it
  corrupt,           // bytes from outside are malformed
  io,                // disk or system call failed
  upstream,          // a remote provider or a child process failed
  internal,          // our mistake
};

// What went wrong, where, expected and actual; a person can act on it. No trailing period.
struct Error {
  Errc code = Errc::internal;
  std::string message;

  static void fields(auto& self, auto&& field) {
    field("code", self.code);
    field("message", self.message);
  }
};

// E is Error, or a kind of it that says more.
template <class T = void, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Error error)
    requires(!std::is_same_v<E, Error>)
      : state_(std::in_place_index<1>, E(std::move(error))) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() {
    assert(*this);
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    assert(*this);
    return *std::get_if<0>(&state_);
  }
  const E& error() const {
    assert(!*this);
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}
  Result(Error error)
    requires(!std::is_same_v<E, Error>)
      : error_(E(std::move(error))) {}

  explicit operator bool() const { return !error_; }
  const E& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<E> error_;
};

}  // namespace hearth
