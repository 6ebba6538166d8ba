#include "storage/writer.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <filesystem>

#include "storage/database_file.h"
#include "support/log.h"

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kRetryAfter{1000}, kGather{500};

uint64_t size_of(const std::string& path) {
  std::error_code failed;
  uintmax_t size = fs::file_size(path, failed);
  return failed ? 0 : size;
}

// Starts a write whose end resumes a coroutine on the loop. The loop is kept running until then.
struct StartWrite {
  Writer& writer;
  net::any_io_executor loop;

  void operator()(auto handler, Writer::Write write) const {
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

Writer::Writer(std::string subject, Database database, std::string path, std::string vfs,
               uint64_t checkpoint_bytes)
    : subject_(std::move(subject)),
      path_(std::move(path)),
      vfs_(std::move(vfs)),
      checkpoint_bytes_(checkpoint_bytes),
      database_(std::move(database)) {
  measure();
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::queue(Write write) {
  {
    std::lock_guard lock(mutex_);
    if (!write.may_wait) ++n_urgent_;
    queue_.push_back(std::move(write));
    // The first of those that may wait starts the time.
    if (n_urgent_ == 0 && queue_.size() > 1) return;
  }
  wake_.notify_one();
}

Task<Result<>> Writer::commit(net::any_io_executor loop, Write write) {
  StartWrite start{*this, std::move(loop)};
  return net::async_initiate<const net::use_awaitable_t<>, void(Result<>)>(
      std::move(start), net::use_awaitable, std::move(write));
}

std::optional<Error> Writer::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void Writer::run() {
  for (;;) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      auto has_work = [this] { return !queue_.empty() || is_closing_; };
      if (kept_.empty() && withdrawn_.empty()) {
        wake_.wait(lock, has_work);
      } else {
        wake_.wait_for(lock, kRetryAfter, has_work);
      }
      if (n_urgent_ == 0 && !is_closing_)
        wake_.wait_for(lock, kGather, [this] { return n_urgent_ > 0 || is_closing_; });
      batch.swap(queue_);
      n_urgent_ = 0;
      if (batch.empty() && is_closing_) break;
    }
    process(std::move(batch));
  }
  // Leaves one whole file, and nothing for the next start to recover. The connection that closes
  // last is the reader's, which cannot do it.
  if (database_ && !failure()) (void)database_->checkpoint(true);
}

void Writer::process(Batch batch) {
  Batch together;
  for (Write& write : batch) {
    if (!write.is_alone) {
      together.push_back(std::move(write));
      continue;
    }
    record(std::exchange(together, {}));
    Result<> outcome = write_out({});  // what was kept, and a sound connection
    if (outcome) outcome = write.work(*database_);
    write.done(std::move(outcome));
  }
  record(std::move(together));
  measure();
}

void Writer::record(Batch batch) {
  if (batch.empty() && kept_.empty() && withdrawn_.empty()) return;
  Result<> outcome = write_out(batch);
  if (!outcome) {
    if (outcome.error().code == Errc::corrupt) ask_for_check(path_);
    outcome = Error{outcome.error().code, "nothing was recorded: " + outcome.error().message};
  }
  {
    std::lock_guard lock(mutex_);
    if (outcome && failure_) log::info("recording works again", {{"of", subject_}});
    if (!outcome && !failure_)
      log::error("nothing can be recorded",
                 {{"of", subject_}, {"reason", outcome.error().message}});
    failure_ = outcome ? std::nullopt : std::optional(outcome.error());
  }
  if (!outcome) keep(batch);
  for (Write& write : batch)
    if (write.done) write.done(outcome);
  // Nobody waits any more. A failure here loses nothing: the log keeps what it holds.
  if (outcome && size_of(path_ + "-wal") > checkpoint_bytes_)
    if (auto copied = database_->checkpoint(false); !copied) {
      log::warn("a checkpoint failed", {{"of", subject_}, {"reason", copied.error().message}});
      is_log_suspect_ = true;
    }
}

// What was reported as failed must not appear later, and what nobody waits for must not be lost.
void Writer::keep(Batch& batch) {
  for (Write& write : batch) {
    if (!write.done)
      kept_.push_back(std::move(write));
    else if (write.withdraw)
      withdrawn_.push_back(std::move(write.withdraw));
  }
  std::erase_if(batch, [](const Write& write) { return !write.done; });
}

Result<> Writer::write_out(const Batch& batch) {
  if (failure() || !database_)
    if (auto open = reopen(); !open) return open;
  if (is_log_suspect_)
    if (auto emptied = database_->checkpoint(true); !emptied) return emptied;
  is_log_suspect_ = false;
  if (auto begun = database_->run("BEGIN IMMEDIATE"); !begun) return begun;
  Result<> outcome;
  for (const Work& withdraw : withdrawn_)
    if (outcome) outcome = withdraw(*database_);
  for (const Batch* writes : {&std::as_const(kept_), &batch})
    for (const Write& write : *writes)
      if (outcome && write.work) outcome = write.work(*database_);
  if (outcome) outcome = database_->run("COMMIT");
  if (!outcome) {
    // The log may have rolled back by itself already; then this says so and changes nothing.
    (void)database_->run("ROLLBACK");
    return outcome;
  }
  kept_.clear();
  withdrawn_.clear();
  return {};
}

Result<> Writer::reopen() {
  database_.reset();
  auto database = reopen_file(path_, vfs_);
  if (!database) return database.error();
  database_ = std::move(*database);
  return {};
}

void Writer::measure() { size_bytes_ = size_of(path_) + size_of(path_ + "-wal"); }

}  // namespace hearth::storage
