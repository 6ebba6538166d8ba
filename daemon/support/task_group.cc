#include "support/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <cassert>
#include <exception>

#include "support/log.h"

namespace hearth {

TaskGroup::TaskGroup(net::any_io_executor executor)
    : executor_(executor), empty_(executor, net::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() { assert(children_.empty() && "join() before destruction"); }

bool TaskGroup::spawn(std::string name, Task<> task) {
  if (closing_) return false;
  Child& child = children_.emplace_back();
  child.name = std::move(name);
  auto at = std::prev(children_.end());
  auto ended = [this, at](std::exception_ptr failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const boost::system::system_error& error) {
        if (error.code() != net::error::operation_aborted)
          log::error("task failed", {{"task", at->name}, {"error", error.what()}});
      } catch (const std::exception& error) {
        log::error("task failed", {{"task", at->name}, {"error", error.what()}});
      }
    }
    children_.erase(at);
    if (children_.empty()) empty_.cancel();
  };
  net::co_spawn(executor_, std::move(task),
                net::bind_cancellation_slot(child.signal.slot(), ended));
  return true;
}

void TaskGroup::cancel(net::cancellation_type type) {
  closing_ = true;
  // A handler may end its child at once, so step past it before emitting.
  for (auto it = children_.begin(); it != children_.end();) (it++)->signal.emit(type);
}

void TaskGroup::cancel_named(std::string_view name) {
  for (auto it = children_.begin(); it != children_.end();) {
    Child& child = *it++;  // as above
    if (child.name == name) child.signal.emit(net::cancellation_type::terminal);
  }
}

Task<> TaskGroup::join() {
  closing_ = true;
  while (!children_.empty()) {
    auto [error] = co_await empty_.async_wait(as_result);
    (void)error;
  }
}

}  // namespace hearth
