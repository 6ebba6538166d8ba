#include "health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "providers/endpoint.h"
#include "providers/table.h"

namespace hearth::router {

using std::chrono::milliseconds;

namespace {

constexpr uint32_t kFailuresToOpen = 3;
constexpr milliseconds kFirstBreak{1'000}, kLongestBreak{60'000};
constexpr milliseconds kFirstWait{1'000}, kLongestWait{60'000};
constexpr milliseconds kFirstStop{30'000}, kLongestStop{900'000};
constexpr milliseconds kLongestKept{900'000};  // of the waits that a provider names
constexpr milliseconds kShort{10'000};         // a wait that a request may sit out
constexpr size_t kWords = 64, kFewestWords = 8, kMaxRecords = 4096;
constexpr double kHeavyTail = 3;  // p95 over p50

std::string key_of(const Target& target) {
  // By hand: decide() asks for each target of each request.
  std::string key;
  key.reserve(target.name.size() + target.base_url.size() + target.model.size() + 2);
  key += target.name;
  key += '\n';
  key += target.base_url;
  key += '\n';
  key += target.model;
  return key;
}

std::string account_of(const Target& target) {
  if (target.kind == TargetKind::engine) return "";
  return fmt::format("{}\n{}\n{}", target.provider, target.base_url, key_source(target));
}

std::string room_key_of(const Target& target) {
  std::string key = account_of(target);
  if (!row_of(target.provider).quirks.limits_account) (key += '\n') += target.model;
  return key;
}

double ms(Clock::Time::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

double Health::Bucket::left_at(Clock::Time now) const {
  if (now >= full_at) return n_limit;
  const double share = ms(now - as_of) / std::max(1.0, ms(full_at - as_of));
  return n_left + (n_limit - n_left) * std::clamp(share, 0.0, 1.0);
}

Clock::Time Health::Bucket::when_free(double n, Clock::Time now) const {
  n = std::min(n, n_limit);  // more than there ever is: try when all is there
  const double left = left_at(now);
  if (!is_known || left >= n || n_limit <= left) return now;
  const double share = (n - left) / (n_limit - left);
  return now + milliseconds(static_cast<int64_t>(std::ceil(share * ms(full_at - now))));
}

const Health::Record* Health::find(const Target& target) const {
  if (records_.empty()) return nullptr;
  auto at = records_.find(key_of(target));
  return at == records_.end() ? nullptr : &at->second;
}

const Health::Room* Health::room(const Target& target) const {
  if (rooms_.empty() || target.kind == TargetKind::engine) return nullptr;
  auto at = rooms_.find(room_key_of(target));
  return at == rooms_.end() ? nullptr : &at->second;
}

// Between half and all of what it would be, so that those who failed together do not return
// together.
Clock::Time Health::after(milliseconds base, uint32_t n_doublings, milliseconds most) const {
  const double whole =
      std::min(static_cast<double>(most.count()),
               static_cast<double>(base.count()) * std::exp2(std::min(n_doublings, 20u)));
  return clock_.now() + milliseconds(static_cast<int64_t>(whole * (0.5 + 0.5 * random_())));
}

std::optional<Health::Bar> Health::bar(const Target& target, Need need) const {
  return bar(target, find(target), need);
}

std::optional<Health::Bar> Health::bar(const Target& target, const Record* record,
                                       Need need) const {
  const Clock::Time now = clock_.now();
  auto until = [now](Clock::Time when, const std::optional<Failure>& said) {
    Bar bar{when, said.value_or(Error{Errc::busy, "it is tried by one request just now"})};
    bar.why.retry_after = std::chrono::ceil<std::chrono::seconds>(when - now);
    return bar;
  };
  if (!stops_.empty()) {
    auto stop = stops_.find(account_of(target));
    if (stop != stops_.end() && stop->second.until > now)
      return until(stop->second.until, stop->second.why);
  }
  if (record && record->open_until && *record->open_until > now)
    return until(*record->open_until, record->why);
  if (record && record->open_until && record->is_probing)
    return until(now + kFirstBreak, record->why);
  const Room* shared = room(target);
  if (!shared) return std::nullopt;
  auto when = [&](const Bucket& bucket, double n) {
    return bucket.when_free(n + need.reserve * bucket.n_limit, now);
  };
  const Clock::Time free =
      std::max(when(shared->requests, 1), when(shared->tokens, static_cast<double>(need.n_tokens)));
  if (free <= now) return std::nullopt;
  Failure full = Error{
      Errc::busy, fmt::format("{}: its account has no room left for this minute", target.provider)};
  full.speaker = target.provider;
  return until(free, full);
}

void Health::look(const Target& target, Need need, TargetState& state) const {
  const Clock::Time now = clock_.now();
  const Record* record = find(target);
  if (auto closed = bar(target, record, need)) {
    const double wait_ms = ms(closed->until - now);
    state.wait_ms = wait_ms;
    state.queue_ms += wait_ms;
    if (closed->until - now > kShort && !state.down)
      state.down =
          fmt::format("{}; it is asked again in {:.0f} s", closed->why.message, wait_ms / 1000);
  }
  const Room* shared = room(target);
  if (!shared) return;
  auto left = [&](const Bucket& bucket) -> std::optional<uint64_t> {
    if (!bucket.is_known) return std::nullopt;
    return static_cast<uint64_t>(std::max(0.0, bucket.left_at(now)));
  };
  state.n_requests_left = left(shared->requests);
  state.n_tokens_left = left(shared->tokens);
}

void Health::begin(const Target& target, uint64_t n_tokens) {
  if (records_.size() >= kMaxRecords) records_.clear();  // of configurations long gone
  Record& record = records_[key_of(target)];
  ++record.n_attempts;
  ++record.n_running;
  if (record.open_until) record.is_probing = true;
  // Until it says again how much is left, what we send is counted here.
  const Clock::Time now = clock_.now();
  auto take = [&](Bucket& bucket, double n) {
    if (!bucket.is_known) return;
    bucket.n_left = std::max(0.0, bucket.left_at(now) - n);
    bucket.as_of = now;
  };
  if (rooms_.empty() || target.kind == TargetKind::engine) return;
  auto shared = rooms_.find(room_key_of(target));
  if (shared == rooms_.end()) return;
  take(shared->second.requests, 1);
  take(shared->second.tokens, static_cast<double>(n_tokens));
}

void Health::note_room(Bucket& bucket, const RateRoom::Bucket& said) const {
  if (!said.is_stated()) return;
  bucket.is_known = true;
  bucket.as_of = clock_.now();
  bucket.n_left = static_cast<double>(*said.n_left);
  bucket.n_limit = std::max(bucket.n_left, static_cast<double>(said.n_limit.value_or(0)));
  bucket.full_at = bucket.as_of + said.full_in.value_or(milliseconds(60'000));
}

void Health::note_failure(Record& record, const Target& target, const Failure& failure) {
  ++record.n_failures;
  switch (failure.remedy) {
    case Remedy::retry_same:
      ++record.n_in_row;
      if (record.n_in_row < kFailuresToOpen) return;
      record.open_until = after(kFirstBreak, record.n_in_row - kFailuresToOpen, kLongestBreak);
      record.why = failure;
      record.why->message += fmt::format(" ({} failures in a row)", record.n_in_row);
      return;
    case Remedy::retry_after:
      ++record.n_in_row;
      record.open_until = after(kFirstWait, record.n_in_row - 1, kLongestWait);
      if (failure.retry_after)
        record.open_until =
            clock_.now() + std::min<milliseconds>(*failure.retry_after, kLongestKept);
      record.why = failure;
      return;
    case Remedy::stop_account: {
      Stop& stop = stops_[account_of(target)];
      stop.until = after(kFirstStop, stop.n_in_row++, kLongestStop);
      if (failure.retry_after)
        stop.until = clock_.now() + std::min<milliseconds>(*failure.retry_after, kLongestStop);
      stop.why = failure;
      return;
    }
    case Remedy::other_target:
    case Remedy::shrink_context:
    case Remedy::stop_request: break;
  }
  // It answered, if only to refuse: it is there.
  record.n_in_row = 0;
  record.open_until.reset();
}

void Health::end(const Target& target, const Attempt& attempt, const Answer& answer) {
  Record& record = records_[key_of(target)];
  if (record.n_running > 0) --record.n_running;
  record.is_probing = false;
  if (attempt.room.requests.is_stated() || attempt.room.tokens.is_stated()) {
    if (rooms_.size() >= kMaxRecords) rooms_.clear();
    Room& shared = rooms_[room_key_of(target)];
    note_room(shared.requests, attempt.room.requests);
    note_room(shared.tokens, attempt.room.tokens);
  }
  if (attempt.first_word_ms) {
    if (record.first_words.size() < kWords) record.first_words.push_back(0);
    record.first_words[record.n_words++ % kWords] = static_cast<float>(*attempt.first_word_ms);
  }
  if (target.kind == TargetKind::engine) return;  // it keeps its own count
  if (answer) {
    record.n_in_row = 0;
    record.open_until.reset();
    stops_.erase(account_of(target));
  } else if (answer.error().code != Errc::cancelled) {
    // What is ours alone (no key, a part that cannot be said) says nothing of the target.
    if (!answer.error().is_ours()) note_failure(record, target, answer.error());
  }
}

std::optional<double> Health::first_word_ms(const Target& target, double quantile) const {
  const Record* record = find(target);
  if (!record || record->first_words.size() < kFewestWords) return std::nullopt;
  std::vector<float> sorted = record->first_words;
  const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
  auto at = sorted.begin() + static_cast<long>(std::clamp<size_t>(rank, 1, sorted.size()) - 1);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

bool Health::has_heavy_tail(const Target& target) const {
  const Record* record = find(target);
  if (record && record->n_in_row > 0) return true;
  const auto usual = first_word_ms(target, 0.5), late = first_word_ms(target, 0.95);
  return usual && late && *late > kHeavyTail * *usual;
}

TargetStanding Health::standing(const Target& target) const {
  TargetStanding standing;
  standing.target = target.name;
  if (auto closed = bar(target, {})) {
    standing.down = closed->why.message;
    standing.wait_ms = ms(closed->until - clock_.now());
  }
  TargetState state;
  look(target, {}, state);
  standing.n_requests_left = state.n_requests_left;
  standing.n_tokens_left = state.n_tokens_left;
  const Record* record = find(target);
  if (!record) return standing;
  standing.n_attempts = record->n_attempts;
  standing.n_failures = record->n_failures;
  standing.n_running = record->n_running;
  standing.first_word_p50_ms = first_word_ms(target, 0.5);
  standing.first_word_p95_ms = first_word_ms(target, 0.95);
  return standing;
}

}  // namespace hearth::router
