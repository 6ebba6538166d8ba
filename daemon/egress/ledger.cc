#include "egress/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "egress/reader.h"
#include "support/json.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth::egress {

namespace {

constexpr int64_t kDayMs = 86'400'000;

// Holds the ledger against other processes.
class Held {
 public:
  explicit Held(int fd) : fd_(fd) {
    while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~Held() { ::flock(fd_, LOCK_UN); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  int fd_;
};

Result<> write_whole(int fd, std::string_view bytes, const std::string& path) {
  const ssize_t n = ::write(fd, bytes.data(), bytes.size());
  if (n == static_cast<ssize_t>(bytes.size())) return {};
  return file::io_error("write", path, n < 0 ? errno : ENOSPC);
}

}  // namespace

Result<Ledger> Ledger::open(std::string folder) {
  if (auto made = path::make_private_dir(folder); !made) return made.error();
  Ledger ledger(std::move(folder));
  const std::string lock = path::join(ledger.folder_, "lock");
  ledger.lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!ledger.lock_) return file::io_error("open", lock, errno);
  const std::string head = path::join(ledger.folder_, "head");
  ledger.head_.reset(::open(head.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!ledger.head_) return file::io_error("open", head, errno);
  return ledger;
}

// The end of a segment as its lines have it, for when `head` does not say it. What a crash left
// unfinished is cut off; a line that was tampered with stays as it is, for verify to find.
Result<End> Ledger::recover(const std::string& segment) {
  const std::string path = segment_path(folder_, segment);
  auto text = file::read(path, size_t{1} << 30);
  if (!text) return text.error();
  const size_t end = text->rfind('\n') + 1;  // npos + 1 is 0
  if (end < text->size()) {
    log::warn("an unfinished line of the egress ledger was cut off", {{"file", path}});
    if (::truncate(path.c_str(), static_cast<off_t>(end)) != 0)
      return file::io_error("truncate", path, errno);
  }
  End found{segment, "", 0, end};
  std::string_view rest = std::string_view(*text).substr(0, end);
  while (!rest.empty()) {
    const size_t line_end = rest.find('\n');
    const std::string_view line = rest.substr(0, line_end);
    rest.remove_prefix(line_end + 1);
    if (const size_t at = line.rfind("\"chain\":\""); at != line.npos)
      found.chain = line.substr(at + 9, 64);
    if (auto record = json::decode<Record>(line, "record")) found.seq = record->seq;
    if (auto head = json::decode<Head>(line, "head"); head && head->after)
      found.seq = std::max(found.seq, head->after->seq);
  }
  return found;
}

// Another process may have written it since.
End Ledger::read_head() const {
  char bytes[1024];
  const ssize_t n = ::pread(head_.get(), bytes, sizeof bytes, 0);
  if (n <= 0) return {};
  const std::string_view text(bytes, static_cast<size_t>(n));
  if (text == head_text_) return head_end_;
  auto said = json::decode<End>(text, "head");
  return said ? *said : End{};
}

Result<> Ledger::open_segment(const std::string& path) {
  segment_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat info{};
  if (!segment_ || ::fstat(segment_.get(), &info) != 0) return file::io_error("open", path, errno);
  segment_file_ = {info.st_dev, info.st_ino};
  return {};
}

Result<> Ledger::write(Record& record) {
  const Held held(lock_.get());
  End end = read_head();
  const std::vector<std::string> segments =
      end.segment.empty() ? segments_in(folder_) : std::vector{end.segment};
  struct stat info{};
  bool is_there = false;
  if (!segments.empty()) {
    is_there = ::stat(segment_path(folder_, segments.back()).c_str(), &info) == 0;
    if (is_there && (end.segment.empty() || static_cast<uint64_t>(info.st_size) != end.size)) {
      auto found = recover(segments.back());
      if (!found) return found.error();
      found->seq = std::max(found->seq, end.seq);
      end = *found;
    }
  }

  std::string day = day_of(record.time_ms);
  if (day < end.segment) day = end.segment;  // a clock that was set back
  std::string lines;
  End next = end;
  if (day != end.segment || !is_there) {
    Head head{day, std::nullopt};
    if (!end.segment.empty()) head.after = end;
    Chained first = chained("", json::encode(head));
    lines = std::move(first.line);
    next = {day, std::move(first.chain), end.seq, 0};
  }
  record.seq = next.seq = end.seq + 1;
  Chained line = chained(next.chain, json::encode(record));
  lines += line.line;
  next.chain = std::move(line.chain);
  next.size += lines.size();

  const std::string path = segment_path(folder_, day);
  const bool is_open =
      segment_ && day == end.segment && segment_file_ == std::pair(info.st_dev, info.st_ino);
  if (auto open = is_open ? Result<>() : open_segment(path); !open) return open;
  if (auto done = write_whole(segment_.get(), lines, path); !done) {
    // What half of it reached the disk must not stay below the next line.
    if (::ftruncate(segment_.get(), static_cast<off_t>(next.size - lines.size())) != 0)
      log::warn("the egress ledger holds a broken line", {{"file", path}});
    return done;
  }
  std::string head = json::encode(next);
  head.resize(512, ' ');
  head_text_.clear();
  if (::pwrite(head_.get(), head.data(), head.size(), 0) != static_cast<ssize_t>(head.size()))
    return file::io_error("write", path::join(folder_, "head"), errno);
  head_text_ = std::move(head);
  head_end_ = std::move(next);
  return {};
}

Result<> Ledger::append(Record record) {
  auto done = write(record);
  if (!done && failure_.empty())
    log::error("the egress ledger cannot be written: nothing is sent until it can",
               {{"error", done.error().message}});
  failure_ = done ? "" : done.error().message;
  return done;
}

Result<> Ledger::may_send() {
  if (failure_.empty()) return {};
  // A byte more on the disk tells whether there is room again.
  const std::string path = path::join(folder_, "lock");
  file::Descriptor probe(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (probe && ::write(probe.get(), "\n", 1) == 1) {
    failure_.clear();
    return {};
  }
  return Error{Errc::io, fmt::format("nothing is sent, since the egress ledger cannot be written: "
                                     "{}; make room on the disk",
                                     failure_)};
}

size_t Ledger::prune(uint32_t keep_days, int64_t now_ms) {
  if (keep_days == 0) return 0;
  const Held held(lock_.get());
  const std::string oldest = day_of(now_ms - int64_t{keep_days} * kDayMs);
  const auto end = read_end(folder_);
  size_t n_removed = 0;
  for (const std::string& segment : segments_in(folder_)) {
    // The last one stays, however old: the chain goes on from it.
    if (segment >= oldest || (end && segment == end->segment)) continue;
    n_removed += ::unlink(segment_path(folder_, segment).c_str()) == 0;
  }
  return n_removed;
}

}  // namespace hearth::egress
