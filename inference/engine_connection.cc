#include "engine_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <type_traits>
#include <variant>

namespace hearth::engine {

namespace {
constexpr size_t kMaxOutgoingBytes = 4 * kMaxFrameBytes;
constexpr size_t kAnswered = std::variant_size_v<FromEngine> - 1;
static_assert(std::is_same_v<std::variant_alternative_t<kAnswered, FromEngine>, Answered>);
}  // namespace

Result<std::shared_ptr<EngineConnection>> EngineConnection::start(net::any_io_executor executor,
                                                                  const std::string& executable,
                                                                  const std::string& log_path) {
  auto process = EngineProcess::spawn(executable, log_path);
  if (!process) return process.error();
  return std::make_shared<EngineConnection>(executor, std::move(*process));
}

EngineConnection::EngineConnection(net::any_io_executor executor, EngineProcess process)
    : process_(std::move(process)),
      socket_(executor, net::local::stream_protocol(), process_.take_socket().release()),
      exit_(executor, process_.take_pidfd().release()),
      has_outgoing_(executor, net::steady_timer::time_point::max()) {}

Result<> EngineConnection::send(const ToEngine& message) {
  std::string frame = encode_frame(message);
  if (frame.size() - 4 > kMaxFrameBytes)
    return Error{Errc::invalid, fmt::format("a request of {} bytes, expected at most {}",
                                            frame.size() - 4, kMaxFrameBytes)};
  if (n_outgoing_bytes_ + frame.size() > kMaxOutgoingBytes)
    return Error{Errc::busy, "the engine process has not read earlier requests yet"};
  n_outgoing_bytes_ += frame.size();
  outgoing_.push_back(std::move(frame));
  has_outgoing_.cancel();
  return {};
}

Task<> EngineConnection::write_queued() {
  while (!is_ended_) {
    if (outgoing_.empty()) {
      auto [woken] = co_await has_outgoing_.async_wait(as_result);
      (void)woken;
      continue;
    }
    std::string frame = std::move(outgoing_.front());
    outgoing_.pop_front();
    auto [error, n_written] = co_await net::async_write(socket_, net::buffer(frame), as_result);
    n_outgoing_bytes_ -= frame.size();
    if (error) co_return;  // the reader sees the end of the stream
    (void)n_written;
  }
}

Task<std::string> EngineConnection::read_events(OnEvent on_event) {
  std::string complaint = co_await read_until_end(std::move(on_event));
  // A child that is exiting keeps its status; one that only closed its socket goes now.
  process_.kill();
  auto [error] = co_await exit_.async_wait(net::posix::stream_descriptor::wait_read, as_result);
  (void)error;
  std::string how = process_.reap();
  is_ended_ = true;
  has_outgoing_.cancel();
  socket_.close();
  if (!killed_because_.empty()) co_return killed_because_;
  co_return complaint.empty() ? how : complaint;
}

void EngineConnection::kill(std::string why) {
  killed_because_ = std::move(why);
  process_.kill();
}

// Returns what is wrong with what the child sent; nothing when the stream just ended.
Task<std::string> EngineConnection::read_until_end(OnEvent on_event) {
  std::string payload;
  for (;;) {
    uint32_t size = 0;
    auto head = net::buffer(&size, sizeof size);
    auto [head_error, n_head] = co_await net::async_read(socket_, head, as_result);
    (void)n_head;
    if (head_error) co_return std::string();
    // Only an answer may be long, and the first byte tells what it is.
    std::string too_long = fmt::format("it sent a frame of {} bytes", size);
    if (size > kMaxAnswerBytes) co_return too_long;
    payload.resize(std::min<size_t>(size, kMaxEventBytes));
    if (!co_await read_into(payload, 0)) co_return std::string();
    if (size > kMaxEventBytes) {
      if (payload[0] != char{kAnswered}) co_return too_long;
      payload.resize(size);
      if (!co_await read_into(payload, kMaxEventBytes)) co_return std::string();
    }
    auto event = decode_from_engine(payload);
    if (!event) co_return "it sent a " + event.error().message;
    on_event(*event);
    if (size > kMaxEventBytes) payload = std::string();
  }
}

// Fills `bytes` from there on. False at the end of the stream.
Task<bool> EngineConnection::read_into(std::string& bytes, size_t from) {
  auto rest = net::buffer(bytes) + from;
  auto [error, n_read] = co_await net::async_read(socket_, rest, as_result);
  (void)n_read;
  co_return !error;
}

void EngineConnection::close() {
  boost::system::error_code ignored;
  socket_.shutdown(net::socket_base::shutdown_send, ignored);
}

}  // namespace hearth::engine
