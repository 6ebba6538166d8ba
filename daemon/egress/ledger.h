// The egress ledger: every transfer to another machine, by day, chained (segment.h).
//
// Several processes append to one ledger (the daemon, `hearth pull`): each append holds a lock on
// it for the time of one write. Lives on the thread that uses it; an append is a few system calls
// and waits for no disk, since bytes that have left cannot be called back: what counts is that
// nothing leaves while the ledger cannot be written (may_send).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "egress/record.h"
#include "egress/segment.h"
#include "support/file.h"
#include "support/result.h"

namespace hearth::egress {

class Ledger {
 public:
  // Makes the folder. A line that a crash left unfinished is cut off.
  static Result<Ledger> open(std::string folder);

  // Gives it its number, today's segment and its chain.
  Result<> append(Record record);

  // An error once the ledger could not be written; tries it again.
  Result<> may_send();

  // Removes segments that are older than so many days; 0: none. The number of those removed.
  size_t prune(uint32_t keep_days, int64_t now_ms);

  const std::string& folder() const { return folder_; }

 private:
  explicit Ledger(std::string folder) : folder_(std::move(folder)) {}
  Result<> write(Record& record);
  End read_head() const;
  Result<End> recover(const std::string& segment);
  Result<> open_segment(const std::string& path);

  std::string folder_;
  file::Descriptor lock_, head_;
  // The segment that was last written to; at its path may be another file by now.
  file::Descriptor segment_;
  std::pair<dev_t, ino_t> segment_file_;
  // What `head` says, as it was last written here and in words.
  std::string head_text_;
  End head_end_;
  std::string failure_;  // of the last append; empty: none
};

}  // namespace hearth::egress
