#include "session/store.h"

#include <fmt/format.h>

#include "session/schema.h"
#include "support/offload.h"
#include "support/path.h"

namespace hearth::session {

namespace {

constexpr const char* kFileName = "sessions.db";

}  // namespace

Store::Store(net::any_io_executor loop, Options options, file::Descriptor lock)
    : loop_(std::move(loop)),
      options_(std::move(options)),
      path_(path::join(options_.folder, kFileName)),
      lock_(std::move(lock)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(net::any_io_executor loop, Options options) {
  auto lock = storage::take_folder(options.folder, schema());
  if (!lock) return lock.error();
  std::unique_ptr<Store> store(new Store(std::move(loop), std::move(options), std::move(*lock)));
  auto log = storage::open_file(store->path_, store->options_.vfs, schema());
  if (!log) return log.error();
  auto reader = LogReader::open(store->path_, store->options_.vfs);
  if (!reader) return reader.error();
  auto epoch = reader->epoch();
  if (!epoch) return epoch.error();
  store->epoch_ = *epoch;
  store->set_aside_ = std::move(log->set_aside);
  store->reader_ = std::move(*reader);
  store->writer_ = std::make_unique<storage::Writer>(
      std::string(schema().subject), std::move(log->database), store->path_, store->options_.vfs);
  return store;
}

Task<Result<>> Store::append(Append append) {
  return writer_->commit(loop_, write_of(std::move(append)));
}

void Store::append_later(Append append) { writer_->queue(write_of(std::move(append))); }

Task<Result<>> Store::flush() { return writer_->commit(loop_, {}); }

Task<Result<>> Store::purge(std::string session) {
  return writer_->commit(loop_, purge_of(std::move(session), path_));
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

std::vector<std::string> Store::set_aside_files() const { return storage::set_aside_of(path_); }

}  // namespace hearth::session
