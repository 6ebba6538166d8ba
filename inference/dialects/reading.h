// Reading: a coroutine that reads a text which arrives in pieces, written as if all of it were
// there.
//
//   Reading<bool> read_pair(Source& in, std::string& key) {
//     if (!co_await accept(in, "{")) co_return false;
//     ...
//   }
//
// It starts when it is awaited (or by start()), sleeps in Source::peek() where the next byte has
// not come yet, and goes on when it comes. Whoever holds the outermost one may drop it at any time.
// One thread at a time.
#pragma once

#include <coroutine>
#include <utility>

namespace hearth::dialects {

template <class T>
class Reading;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> parent;  // waits for this one; null while it has not had to wait

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      if (ended.promise().parent) return ended.promise().parent;
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() const { throw; }
};

template <class T>
struct Promise : PromiseBase {
  T value{};
  Reading<T> get_return_object();
  void return_value(T result) { value = std::move(result); }
  T take() { return std::move(value); }
};

template <>
struct Promise<void> : PromiseBase {
  Reading<void> get_return_object();
  void return_void() const {}
  void take() const {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Reading {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Reading(Handle handle) : handle_(handle) {}
  Reading(Reading&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Reading& operator=(Reading&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Reading() {
    if (handle_) handle_.destroy();
  }

  // Up to its end or the first wait. Once, and only for one that nobody awaits.
  void start() { handle_.resume(); }

  bool await_ready() const noexcept { return false; }
  // Most end without having to wait: then the caller goes on at once, on the same stack.
  bool await_suspend(std::coroutine_handle<> caller) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().parent = caller;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

template <class T>
Reading<T> detail::Promise<T>::get_return_object() {
  return Reading<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Reading<void> detail::Promise<void>::get_return_object() {
  return Reading<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace hearth::dialects
