#include "session/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "support/json.h"

namespace hearth::session {

namespace {

using storage::Database;
using storage::Statement;

constexpr uint32_t kMaxPage = 500;
constexpr const char* kInfoColumns = "id,title,cwd,labels,created,updated,state,seq";

protocol::SessionInfo info_of(const Statement& row) {
  protocol::SessionInfo info;
  info.id = row.text(0);
  info.title = row.text(1);
  info.cwd = row.text(2);
  if (auto labels = json::decode<std::map<std::string, std::string>>(row.text(3)))
    info.labels = std::move(*labels);
  info.created_ms = row.integer(4);
  info.updated_ms = row.integer(5);
  info.state = enum_from_name<protocol::Activity>(row.text(6)).value_or(protocol::Activity::idle);
  info.seq = static_cast<uint64_t>(row.integer(7));
  return info;
}

// A page's cursor is the last line's place in the order: "UPDATED:ID".
struct Place {
  int64_t updated_ms = INT64_MAX;
  std::string id;
};

Result<Place> place_of(const std::string& cursor) {
  Place place;
  const char* end = cursor.data() + cursor.size();
  auto [rest, failed] = std::from_chars(cursor.data(), end, place.updated_ms);
  if (failed != std::errc() || rest == end || *rest != ':')
    return Error{Errc::invalid,
                 "params.after: expected the `next` of an earlier page, got \"" + cursor + "\""};
  place.id.assign(rest + 1, end);
  return place;
}

}  // namespace

Result<LogReader> LogReader::open(const std::string& path, const std::string& vfs) {
  auto database = Database::open(path, Database::Mode::read_only, vfs);
  if (!database) return database.error();
  return LogReader(std::move(*database));
}

Result<uint64_t> LogReader::epoch() {
  auto value = database_.number("SELECT value FROM meta WHERE key='epoch'");
  if (!value) return value.error();
  return static_cast<uint64_t>(*value);
}

Result<std::vector<LoggedEvent>> LogReader::events(const EventRange& range) {
  auto query = database_.prepare(
      "SELECT seq,first,t,kind,version,data FROM events WHERE session=?1 AND seq>?2 AND seq<=?3 "
      "ORDER BY seq");
  if (!query) return query.error();
  query->bind(1, range.session);
  query->bind(2, static_cast<int64_t>(std::min<uint64_t>(range.after, INT64_MAX)));
  query->bind(3, static_cast<int64_t>(range.through));
  std::vector<LoggedEvent> events;
  size_t n_bytes = 0;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return events;
    LoggedEvent& event = events.emplace_back();
    event.seq = static_cast<uint64_t>(query->integer(0));
    event.first = static_cast<uint64_t>(query->integer(1));
    event.t_ms = query->integer(2);
    event.kind = query->text(3);
    event.version = static_cast<int>(query->integer(4));
    event.data = query->text(5);
    n_bytes += event.data.size();
    if (n_bytes > range.max_bytes)
      return Error{Errc::over_budget, fmt::format("more than {} bytes of events", range.max_bytes)};
  }
}

Result<std::optional<protocol::SessionInfo>> LogReader::session(const std::string& id) {
  auto query = database_.prepare(fmt::format("SELECT {} FROM sessions WHERE id=?1", kInfoColumns));
  if (!query) return query.error();
  query->bind(1, id);
  auto row = query->step();
  if (!row) return row.error();
  if (!*row) return std::optional<protocol::SessionInfo>();
  return std::optional(info_of(*query));
}

Result<protocol::SessionPage> LogReader::page(const protocol::SessionList& list) {
  Place place;
  if (list.after) {
    auto given = place_of(*list.after);
    if (!given) return given.error();
    place = *given;
  }
  auto query =
      database_.prepare(fmt::format("SELECT {} FROM sessions WHERE (updated,id)<(?1,?2) "
                                    "ORDER BY updated DESC, id DESC LIMIT ?3",
                                    kInfoColumns));
  if (!query) return query.error();
  uint32_t limit = std::clamp(list.limit, 1u, kMaxPage);
  query->bind(1, place.updated_ms);
  query->bind(2, place.id);
  query->bind(3, static_cast<int64_t>(limit) + 1);  // one more tells whether a page follows
  protocol::SessionPage page;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return page;
    if (page.sessions.size() == limit) break;
    page.sessions.push_back(info_of(*query));
  }
  const protocol::SessionInfo& last = page.sessions.back();
  page.next = fmt::format("{}:{}", last.updated_ms, last.id);
  return page;
}

Result<std::vector<std::string>> LogReader::unfinished() {
  auto query = database_.prepare("SELECT id FROM sessions WHERE state!='idle'");
  if (!query) return query.error();
  std::vector<std::string> ids;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return ids;
    ids.emplace_back(query->text(0));
  }
}

}  // namespace hearth::session
