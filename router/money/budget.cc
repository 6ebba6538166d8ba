#include "router/budget.h"

#include <fmt/format.h>

#include <ctime>

namespace hearth::router {

namespace {

constexpr int64_t kQuarterMs = 15 * 60'000, kHourMs = 4 * kQuarterMs, kDayMs = 24 * kHourMs;

// Every key that a party's money is counted under.
std::vector<std::string> keys_of(const Party& party) {
  std::vector<std::string> keys{"", fmt::format("class:{}", enum_name(party.task)),
                                "target:" + party.target};
  if (!party.session.empty()) keys.push_back("session:" + party.session);
  if (!party.project.empty()) keys.push_back("project:" + party.project);
  if (!party.token.empty()) keys.push_back("token:" + party.token);
  return keys;
}

// The key that a budget looks at for this party; nothing when it is another's.
std::optional<std::string> key_of(const Budget& budget, const Party& party) {
  const std::string& scope = budget.scope;
  if (scope == "session")
    return party.session.empty() ? std::nullopt : std::optional("session:" + party.session);
  const size_t colon = scope.find(':');
  if (colon == scope.npos) return "";
  const std::string_view kind(scope.data(), colon), name(scope.data() + colon + 1);
  const std::string_view own = kind == "project"  ? std::string_view(party.project)
                               : kind == "token"  ? std::string_view(party.token)
                               : kind == "target" ? std::string_view(party.target)
                                                  : enum_name(party.task);
  return own == name ? std::optional(scope) : std::nullopt;
}

int64_t quarter_of(int64_t time_ms) { return time_ms / kQuarterMs; }

}  // namespace

std::optional<Per> period_of(std::string_view scope) {
  if (scope == "all" || scope == "session") return Per::ever;
  if (auto named = enum_from_name<Per>(scope); named && named != Per::ever) return named;
  for (std::string_view kind : {"project:", "class:", "token:", "target:"})
    if (scope.starts_with(kind) && scope != kind)
      return kind == "class:" && !enum_from_name<TaskClass>(scope.substr(kind.size()))
                 ? std::nullopt
                 : std::optional(Per::month);
  return std::nullopt;
}

Party party_of(const Budget& budget) {
  Party party;
  const size_t colon = budget.scope.find(':');
  if (colon == budget.scope.npos) return party;
  const std::string kind = budget.scope.substr(0, colon), name = budget.scope.substr(colon + 1);
  if (kind == "project") party.project = name;
  if (kind == "token") party.token = name;
  if (kind == "target") party.target = name;
  if (kind == "class") party.task = enum_from_name<TaskClass>(name).value_or(party.task);
  return party;
}

int64_t period_start(Per per, int64_t now_ms) {
  if (per == Per::ever) return 0;
  if (per == Per::hour) return (quarter_of(now_ms) - 3) * kQuarterMs;
  const std::time_t now = now_ms / 1000;
  std::tm local{};
  ::localtime_r(&now, &local);
  local.tm_hour = local.tm_min = local.tm_sec = 0;
  if (per == Per::week) local.tm_mday -= (local.tm_wday + 6) % 7;
  if (per == Per::month) local.tm_mday = 1;
  local.tm_isdst = -1;  // as it was on that day
  return int64_t{std::mktime(&local)} * 1000;
}

std::string_view period_words(Per per) {
  switch (per) {
    case Per::hour: return "in the last hour";
    case Per::day: return "today";
    case Per::week: return "this week";
    case Per::month: return "this month";
    case Per::ever: break;
  }
  return "in all";
}

int64_t Spending::first_quarter(Per per, int64_t now_ms) const {
  if (quarter_of_starts_ != quarter_of(now_ms)) {
    quarter_of_starts_ = quarter_of(now_ms);
    for (const auto& [each, name] : EnumNames<Per>::names)
      starts_[static_cast<size_t>(each)] = quarter_of(period_start(each, now_ms));
  }
  return starts_[static_cast<size_t>(per)];
}

void Spending::add(const Party& party, int64_t time_ms, Sums change) {
  const int64_t quarter = quarter_of(time_ms);
  auto add_to = [&change](Sums& sums) {
    sums.spent += change.spent;
    sums.held += change.held;
  };
  for (const std::string& key : keys_of(party)) {
    Account& account = keys_[key];
    add_to(account.quarters[quarter]);
    for (Kept& kept : account.kept)
      if (kept.first <= quarter && quarter <= kept.last) add_to(kept.sums);
  }
}

std::optional<Spending::Sums> Spending::sums(const Budget& budget, const Party& party,
                                             int64_t now_ms) const {
  const auto key = key_of(budget, party);
  if (!key) return std::nullopt;
  const auto found = keys_.find(*key);
  if (found == keys_.end()) return Sums{};
  const int64_t first = first_quarter(budget.per, now_ms);
  const int64_t last = quarter_of(now_ms + kDayMs + kDayMs / 2);
  Kept& kept = found->second.kept[static_cast<size_t>(budget.per)];
  if (kept.first == first && kept.last == last) return kept.sums;
  kept = {first, last, {}};
  const auto& quarters = found->second.quarters;
  for (auto at = quarters.lower_bound(first); at != quarters.end() && at->first <= last; ++at) {
    kept.sums.spent += at->second.spent;
    kept.sums.held += at->second.held;
  }
  return kept.sums;
}

void Spending::forget_details(int64_t now_ms) {
  const int64_t before = quarter_of(now_ms - 62 * kDayMs);
  for (auto& [key, account] : keys_) {
    Sums old;
    auto end = account.quarters.lower_bound(before);
    for (auto at = account.quarters.begin(); at != end; ++at) {
      old.spent += at->second.spent;
      old.held += at->second.held;
    }
    account.quarters.erase(account.quarters.begin(), end);
    if (old.spent != PicoUsd() || old.held != PicoUsd()) account.quarters[0] = old;
  }
}

}  // namespace hearth::router
