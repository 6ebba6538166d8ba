#include "engine/frame_io.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/utf8.h"

namespace hearth::engine {

namespace {

constexpr size_t kMaxInboxBytes = 2 * kMaxFrameBytes;
constexpr size_t kMaxOutboxBytes = 16u << 20;
constexpr std::chrono::seconds kPatience(30);
constexpr std::chrono::milliseconds kMoment(250);

// What a request or a template says may stand in the error about it, however long.
std::string frame_of(const FromEngine& message) {
  std::string frame = encode_frame(message);
  const auto* failed = std::get_if<Failed>(&message);
  if (!failed || frame.size() <= kMaxEventBytes) return frame;
  constexpr size_t kBeginning = 4096;
  Failed shorter = *failed;
  std::string begins = failed->error.message.substr(0, kBeginning);
  shorter.error.message.clear();
  move_whole_utf8(begins, shorter.error.message);
  shorter.error.message += " ...";
  return encode_frame(shorter);
}

// False at the end of the stream.
bool read_exactly(int fd, char* data, size_t size) {
  while (size > 0) {
    ssize_t n = ::read(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

Inbox::Inbox(int fd) : fd_(fd), thread_([this] { read_frames(); }) {}

Inbox::~Inbox() {
  end("");
  thread_.join();
}

std::vector<ToEngine> Inbox::take(Wait wait) {
  std::unique_lock lock(mu_);
  const auto is_something_there = [&] { return !arrived_.empty() || is_at_end_ || is_woken_; };
  if (wait == Wait::a_moment) changed_.wait_for(lock, kMoment, is_something_there);
  if (wait == Wait::as_long_as_it_takes) changed_.wait(lock, is_something_there);
  is_woken_ = false;
  n_bytes_ = 0;
  changed_.notify_all();
  return std::exchange(arrived_, {});
}

void Inbox::wake() {
  std::lock_guard lock(mu_);
  is_woken_ = true;
  changed_.notify_all();
}

bool Inbox::is_at_end() {
  std::lock_guard lock(mu_);
  return is_at_end_ && arrived_.empty();
}

std::string Inbox::error() {
  std::lock_guard lock(mu_);
  return error_;
}

void Inbox::read_frames() {
  for (;;) {
    uint32_t size = 0;
    if (!read_exactly(fd_, reinterpret_cast<char*>(&size), sizeof size)) return end("");
    if (size > kMaxFrameBytes)
      return end(fmt::format("a frame of {} bytes, expected at most {}", size, kMaxFrameBytes));
    std::string payload(size, '\0');
    if (!read_exactly(fd_, payload.data(), size)) return end("");
    auto message = decode_to_engine(payload);
    if (!message) return end(message.error().message);

    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return n_bytes_ < kMaxInboxBytes || is_at_end_; });
    if (is_at_end_) return;
    n_bytes_ += size;
    arrived_.push_back(std::move(*message));
    changed_.notify_all();
  }
}

void Inbox::end(std::string why) {
  std::lock_guard lock(mu_);
  is_at_end_ = true;
  error_ = std::move(why);
  changed_.notify_all();
}

Outbox::Outbox(int fd) : fd_(fd), thread_([this] { write_frames(); }) {}

Outbox::~Outbox() {
  {
    std::lock_guard lock(mu_);
    is_closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

bool Outbox::push(const FromEngine& message) {
  std::string frame = frame_of(message);
  std::unique_lock lock(mu_);
  changed_.wait_for(lock, kPatience, [&] { return n_bytes_ < kMaxOutboxBytes || is_peer_gone_; });
  if (n_bytes_ >= kMaxOutboxBytes) is_peer_gone_ = true;
  if (is_peer_gone_) return false;
  n_bytes_ += frame.size();
  waiting_.push_back(std::move(frame));
  changed_.notify_all();
  return true;
}

void Outbox::write_frames() {
  std::unique_lock lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return !waiting_.empty() || is_closing_ || is_peer_gone_; });
    if (is_peer_gone_ || waiting_.empty()) return;
    std::string frame = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    bool is_written = write_all(frame);
    lock.lock();
    n_bytes_ -= frame.size();
    if (!is_written) is_peer_gone_ = true;
    changed_.notify_all();
  }
}

// write() on a blocking socket would wait for ever; poll() puts the limit.
bool Outbox::write_all(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    pollfd writable{fd_, POLLOUT, 0};
    int ready =
        ::poll(&writable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace hearth::engine
