#include "egress/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "egress/segment.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::egress {

namespace {

constexpr size_t kMaxSegment = size_t{1} << 30;

struct Line {
  size_t number;
  std::string_view text;
  bool is_finished;  // by a line feed
};

// Calls visit(Line) until it returns an error.
template <class Visit>
Result<> each_line(std::string_view text, Visit visit) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (auto done = visit(Line{number, text.substr(0, end), end != text.npos}); !done) return done;
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return {};
}

Error at(const std::string& folder, const std::string& segment, size_t line,
         std::string_view what) {
  return {Errc::corrupt, fmt::format("{}:{}: {}", segment_path(folder, segment), line, what)};
}

}  // namespace

Result<std::vector<Record>> read_records(const std::string& folder, const Filter& filter) {
  std::vector<Record> records;
  const std::string first = filter.since_ms ? day_of(*filter.since_ms) : "";
  for (const std::string& segment : segments_in(folder)) {
    if (segment < first) continue;
    auto text = file::read(segment_path(folder, segment), kMaxSegment);
    if (!text) return text.error();
    auto read = each_line(*text, [&](const Line& line) -> Result<> {
      if (line.number == 1 || !line.is_finished) return {};
      auto record = json::decode<Record>(line.text, "record");
      if (!record) return at(folder, segment, line.number, record.error().message);
      if (filter.since_ms && record->time_ms < *filter.since_ms) return {};
      if (!filter.host.empty() && std::ranges::none_of(record->hosts, [&](const auto& host) {
            return host.find(filter.host) != host.npos;
          }))
        return {};
      records.push_back(std::move(*record));
      return {};
    });
    if (!read) return read.error();
  }
  return records;
}

Result<Check> verify(const std::string& folder) {
  Check check;
  auto end = read_end(folder);
  if (!end) return end.error();
  std::optional<End> before;  // where the segment above ended
  uint64_t seq = 0;
  for (const std::string& segment : segments_in(folder)) {
    auto text = file::read(segment_path(folder, segment), kMaxSegment);
    if (!text) return text.error();
    ++check.n_segments;
    std::string chain;
    auto read = each_line(*text, [&](const Line& line) -> Result<> {
      auto fail = [&](std::string_view what) { return at(folder, segment, line.number, what); };
      if (!line.is_finished) return fail("the line is unfinished");
      auto found = unchained(chain, line.text);
      if (!found) return fail(found.error().message);
      chain = found->chain;
      if (line.number > 1) {
        auto record = json::decode<Record>(std::string_view(found->line), "record");
        if (!record) return fail(record.error().message);
        if (record->seq != seq + 1)
          return fail(fmt::format("record {} follows record {}", record->seq, seq));
        seq = record->seq;
        ++check.n_records;
        return {};
      }
      auto head = json::decode<Head>(std::string_view(found->line), "head");
      if (!head) return fail(head.error().message);
      if (head->segment != segment) return fail("it is the head of " + head->segment);
      if (before && (!head->after || head->after->chain != before->chain))
        return fail(!head->after || head->after->segment == before->segment
                        ? "it does not follow the end of " + before->segment
                        : fmt::format("{} stood between it and {}, and is gone",
                                      head->after->segment, before->segment));
      if (!before && head->after) {
        check.begins_after = head->after->segment;
        seq = head->after->seq;
      }
      return {};
    });
    if (!read) {
      check.fault = read.error().message;
      return check;
    }
    before = End{segment, chain, seq, text->size()};
  }
  check.segment = before ? before->segment : "";
  check.chain = before ? before->chain : "";
  if (!end->segment.empty() && (!before || before->seq < end->seq))
    check.fault = fmt::format("{} ends with record {}, record {} was written", folder,
                              before ? before->seq : 0, end->seq);
  check.is_whole = check.fault.empty();
  return check;
}

}  // namespace hearth::egress
