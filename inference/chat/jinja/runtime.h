// What one render owns: its objects and its limits. Lives on the rendering thread, for one render.
//
// Objects are counted by reference, so that a template that builds text in a loop does not pile up
// the intermediate strings; what is left in cycles (a namespace that holds itself, a macro that its
// own scope holds) goes when the Runtime does. Freeing never recurses: a chain a million namespaces
// long must not take a million stack frames to drop.
//
// Inside this folder an error is thrown as a Failure and caught in exactly two places, the ends of
// Template::parse and Template::render: an interpreter that passed a Result through each of its
// several hundred evaluation points would hide the language it implements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/jinja.h"
#include "chat/jinja/stack.h"

namespace hearth::jinja {

struct Failure {
  std::string message;
  int line = 0;              // 0: not known yet; filled in on the way out
  bool by_template = false;  // raise_exception: the message is the template's own
};
[[noreturn]] void throw_failure(std::string message);

inline std::string_view piece(std::string_view text) { return text; }
inline std::string_view piece(const char& character) { return {&character, 1}; }

// Strings and characters one after the other.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  std::string text;
  (text.append(piece(pieces)), ...);
  return text;
}

template <class... Pieces>
[[noreturn]] void fail(const Pieces&... pieces) {
  throw_failure(concat(pieces...));
}

class Runtime;

class Object {
 public:
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  void retain() { ++refs_; }
  void release();

 protected:
  Object() = default;
  Runtime& runtime() const { return *runtime_; }

 private:
  friend class Runtime;
  virtual void clear() {}  // lets go of every Value held; ends cycles

  Runtime* runtime_ = nullptr;
  Object* previous_ = nullptr;
  Object* next_ = nullptr;
  size_t charged_bytes_ = 0;
  uint32_t refs_ = 0;
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->release();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

class Runtime {
 public:
  Runtime(const Limits& limits, int64_t now_unix_s) : limits_(limits), now_unix_s_(now_unix_s) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // `bytes` is what the object holds beside itself; reserved before it is allocated.
  template <class T, class... A>
  Ref<T> make(size_t bytes, A&&... arguments) {
    charge(bytes + sizeof(T));
    T* object = new T(std::forward<A>(arguments)...);
    adopt(object, bytes + sizeof(T));
    return Ref<T>(object);
  }
  void grow(Object& object, size_t bytes);
  // Fails when `count` things of `bytes_each` could not be held.
  void check_room(size_t count, size_t bytes_each = 1) const;

  void step() { work(0); }
  // Walking n bytes costs steps too, or a template of few steps could burn hours on long strings.
  void work(size_t bytes) {
    steps_ += 1 + bytes / 64;
    if (steps_ > limits_.max_steps) too_many_steps();
  }

  // Containers whose repr is being written, outermost first: one inside itself is cut short.
  std::vector<const Object*> in_repr;

  int64_t now_unix_s() const { return now_unix_s_; }
  const Limits& limits() const { return limits_; }

 private:
  friend class Object;
  friend class Nesting;
  void charge(size_t bytes);
  void adopt(Object* object, size_t bytes);
  void link(Object* object, Object*& head);
  void unlink(Object* object);
  void bury(Object* object);
  [[noreturn]] void too_many_steps() const;

  const Limits limits_;
  const int64_t now_unix_s_;
  const StackMeter stack_;
  uint64_t steps_ = 0;
  size_t live_bytes_ = 0;
  uint32_t nesting_ = 0;
  Object* alive_ = nullptr;
  Object* cleared_ = nullptr;
  std::vector<Object*> dead_;
  bool burying_ = false;
};

// Held by every function that calls itself through values or nodes.
class Nesting {
 public:
  explicit Nesting(Runtime& runtime);
  ~Nesting() { --runtime_.nesting_; }

 private:
  Runtime& runtime_;
};

}  // namespace hearth::jinja
