#include "chat/jinja/runtime.h"

namespace hearth::jinja {

// One macro call is up to about ten nested evaluations.
static constexpr uint32_t kEvaluationsPerLevel = 10;

void throw_failure(std::string message) { throw Failure{std::move(message)}; }

Object::~Object() {
  if (runtime_) runtime_->unlink(this);
}

void Object::release() {
  if (--refs_ == 0) runtime_->bury(this);
}

Runtime::~Runtime() {
  while (alive_) {
    Ref<Object> object(alive_);
    unlink(object.get());
    link(object.get(), cleared_);
    object->clear();
  }
}

void Runtime::charge(size_t bytes) {
  if (bytes > limits_.max_value_bytes || live_bytes_ > limits_.max_value_bytes - bytes)
    fail("the template's values need more than ", std::to_string(limits_.max_value_bytes),
         " bytes");
  work(bytes);
}

void Runtime::check_room(size_t count, size_t bytes_each) const {
  if (bytes_each && count > (limits_.max_value_bytes - live_bytes_) / bytes_each)
    fail("the template's values need more than ", std::to_string(limits_.max_value_bytes),
         " bytes");
}

void Runtime::adopt(Object* object, size_t bytes) {
  object->runtime_ = this;
  object->charged_bytes_ = bytes;
  live_bytes_ += bytes;
  link(object, alive_);
}

void Runtime::grow(Object& object, size_t bytes) {
  charge(bytes);
  object.charged_bytes_ += bytes;
  live_bytes_ += bytes;
}

void Runtime::link(Object* object, Object*& head) {
  object->previous_ = nullptr;
  object->next_ = head;
  if (head) head->previous_ = object;
  head = object;
}

void Runtime::unlink(Object* object) {
  if (object->previous_)
    object->previous_->next_ = object->next_;
  else if (alive_ == object)
    alive_ = object->next_;
  else if (cleared_ == object)
    cleared_ = object->next_;
  if (object->next_) object->next_->previous_ = object->previous_;
  object->previous_ = object->next_ = nullptr;
}

void Runtime::bury(Object* object) {
  dead_.push_back(object);
  if (burying_) return;
  burying_ = true;
  while (!dead_.empty()) {
    Object* next = dead_.back();
    dead_.pop_back();
    live_bytes_ -= next->charged_bytes_;
    delete next;
  }
  burying_ = false;
}

void Runtime::too_many_steps() const {
  fail("the template took more than ", std::to_string(limits_.max_steps), " steps");
}

Nesting::Nesting(Runtime& runtime) : runtime_(runtime) {
  if (runtime_.nesting_ >= runtime_.limits_.max_depth * kEvaluationsPerLevel ||
      runtime_.stack_.used_bytes() > runtime_.limits_.max_stack_bytes)
    fail("the template nests its calls or values too deeply");
  ++runtime_.nesting_;
}

}  // namespace hearth::jinja
