#include "session/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "session/schema.h"
#include "support/offload.h"
#include "support/path.h"

namespace hearth::session {

namespace {

constexpr const char* kFileName = "sessions.db";

// WAL needs memory shared between processes, which network file systems do not have.
Result<> refuse_network_folder(const std::string& folder) {
  struct statfs facts;
  if (::statfs(folder.c_str(), &facts) != 0) return file::io_error("statfs", folder, errno);
  constexpr long kSmb2 = 0xfe534d42;
  for (long magic : {long{NFS_SUPER_MAGIC}, long{SMB_SUPER_MAGIC}, kSmb2})
    if (facts.f_type == magic)
      return Error{Errc::unsupported,
                   folder +
                       ": on a network file system, where sessions cannot be kept safely; "
                       "set XDG_STATE_HOME to a local folder"};
  return {};
}

Result<file::Descriptor> take_lock(const std::string& folder) {
  std::string path = path::join(folder, "sessions.lock");
  file::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return file::io_error("open", path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return file::io_error("lock", path, errno);
  return Error{Errc::busy, folder + ": in use by another hearth daemon; stop that one first"};
}

// Starts a write whose end resumes a coroutine on the loop. The loop is kept running until then.
struct StartWrite {
  LogWriter& writer;
  net::any_io_executor loop;

  void operator()(auto handler, LogWriter::Write write) const {
    struct Waiting {
      decltype(handler) resume;
      net::executor_work_guard<net::any_io_executor> work;
    };
    auto waiting =
        std::make_shared<Waiting>(Waiting{std::move(handler), net::make_work_guard(loop)});
    write.done = [waiting = std::move(waiting), executor = loop](Result<> outcome) mutable {
      net::post(executor, [waiting = std::move(waiting), outcome = std::move(outcome)]() mutable {
        auto resume = std::move(waiting->resume);
        waiting.reset();
        std::move(resume)(std::move(outcome));
      });
    };
    writer.queue(std::move(write));
  }
};

}  // namespace

Store::Store(net::any_io_executor loop, Options options, file::Descriptor lock)
    : loop_(std::move(loop)),
      options_(std::move(options)),
      path_(path::join(options_.folder, kFileName)),
      lock_(std::move(lock)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(net::any_io_executor loop, Options options) {
  if (auto made = path::make_private_dir(options.folder); !made) return made.error();
  if (auto local = refuse_network_folder(options.folder); !local) return local.error();
  auto lock = take_lock(options.folder);
  if (!lock) return lock.error();
  std::unique_ptr<Store> store(new Store(std::move(loop), std::move(options), std::move(*lock)));
  auto log = open_log(store->path_, store->options_.vfs);
  if (!log) return log.error();
  auto reader = LogReader::open(store->path_, store->options_.vfs);
  if (!reader) return reader.error();
  auto epoch = reader->epoch();
  if (!epoch) return epoch.error();
  store->epoch_ = *epoch;
  store->set_aside_ = std::move(log->set_aside);
  store->reader_ = std::move(*reader);
  store->writer_ =
      std::make_unique<LogWriter>(std::move(log->database), store->path_, store->options_.vfs);
  return store;
}

Task<Result<>> Store::queue(LogWriter::Write write) {
  StartWrite start{*writer_, loop_};
  return net::async_initiate<const net::use_awaitable_t<>, void(Result<>)>(
      std::move(start), net::use_awaitable, std::move(write));
}

Task<Result<>> Store::append(Append append) {
  LogWriter::Write write;
  write.append = std::move(append);
  return queue(std::move(write));
}

void Store::append_later(Append append) {
  LogWriter::Write write;
  write.append = std::move(append);
  writer_->queue(std::move(write));
}

Task<Result<>> Store::flush() { return queue({}); }

Task<Result<>> Store::purge(std::string session) {
  LogWriter::Write write;
  write.append.session = std::move(session);
  write.is_purge = true;
  return queue(std::move(write));
}

template <class T, class... Args>
Task<Result<T>> Store::read(Result<T> (LogReader::*query)(const Args&...), Args... args) {
  auto ask = [this, query, ... args = std::move(args)] { return ((*reader_).*query)(args...); };
  Task<Result<T>> answer = run_on(reading_, std::move(ask));
  co_return co_await std::move(answer);
}

Task<Result<std::vector<LoggedEvent>>> Store::events(EventRange range) {
  return read(&LogReader::events, std::move(range));
}

Task<Result<protocol::SessionInfo>> Store::session(std::string id) {
  auto found = co_await read(&LogReader::session, id);
  if (!found) co_return found.error();
  if (!*found) co_return Error{Errc::not_found, fmt::format("no session \"{}\"", id)};
  co_return std::move(**found);
}

Task<Result<protocol::SessionPage>> Store::page(protocol::SessionList query) {
  return read(&LogReader::page, std::move(query));
}

Task<Result<std::vector<std::string>>> Store::unfinished() { return read(&LogReader::unfinished); }

Result<> Store::has_room() const {
  uint64_t size = writer_->size_bytes();
  if (size <= options_.quota_bytes) return {};
  return Error{
      Errc::over_budget,
      fmt::format("sessions use {} MiB of the {} MiB they may; run `hearth gc --older-than DAYS` "
                  "to purge old ones, or raise the quota",
                  size >> 20, options_.quota_bytes >> 20)};
}

std::vector<std::string> Store::set_aside_files() const { return set_aside_of(path_); }

}  // namespace hearth::session
