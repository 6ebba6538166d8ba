#include "session/sessions.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <filesystem>

#include "inference/sampling.h"
#include "support/hex.h"
#include "support/log.h"

namespace hearth::session {

using namespace protocol;

namespace {

// Idle sessions that nobody watches are dropped from memory beyond this many.
constexpr size_t kMaxLoaded = 64;

std::string new_session_id() {
  unsigned char bytes[12];
  // Up to 256 bytes are never cut short once the kernel's pool is ready.
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) std::abort();
  return "ses_" + hex_of(bytes);
}

Result<SessionState> fold(const std::vector<LoggedEvent>& events, const std::string& id) {
  SessionState state;
  state.view.info.id = id;
  for (const LoggedEvent& logged : events) {
    auto event = decode(logged);
    if (!event)
      return Error{Errc::corrupt, fmt::format("session {}: {}; other sessions are unaffected", id,
                                              event.error().message)};
    if (*event) apply(state, **event);
    state.view.info.seq = logged.seq;  // also of a kind that a later version wrote
  }
  return state;
}

uint64_t estimate_tokens(const std::vector<Message>& messages) {
  size_t n_bytes = 0;
  for (const Message& message : messages) n_bytes += text_of(message).size();
  return n_bytes / 4;
}

router::RouteRequest route_request(const Session& session, TurnStart start,
                                   const std::string& turn) {
  router::RouteRequest request;
  request.body.messages = session.conversation();
  std::set<std::string> labels;
  for (const Message& message : request.body.messages)
    for (const Block& block : message.blocks)
      labels.insert(block.labels.begin(), block.labels.end());
  request.facts.labels.assign(labels.begin(), labels.end());
  request.facts.id = session.id() + "/" + turn;
  request.facts.session = session.id();
  // As its budget is called: "/home/me/web-shop/" -> "web-shop".
  std::filesystem::path folder = std::filesystem::path(session.view().info.cwd).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  request.facts.project = folder.filename().string();
  if (start.model) request.facts.model = *start.model;
  request.facts.n_prompt_estimate = estimate_tokens(request.body.messages);
  request.facts.max_tokens = start.max_tokens;
  request.body.max_tokens = start.max_tokens;
  request.body.ignore_eos = start.ignore_eos;
  request.body.sampling = std::move(start.sampling);
  request.body.stop = std::move(start.stop);
  request.body.template_variables = std::move(start.template_variables);
  return request;
}

// What can be said of a start without asking a model.
Result<> check(const TurnStart& start) {
  auto wrong = [](std::string_view what) {
    return Error{Errc::invalid, fmt::format("params.{}", what)};
  };
  if (start.idempotency_key.empty()) return wrong("idempotencyKey: expected a non-empty string");
  if (start.input.empty()) return wrong("input: expected at least one block");
  if (auto good = check(start.sampling); !good) return wrong(good.error().message);
  if (!start.template_variables.text.empty() && !start.template_variables.text.starts_with('{'))
    return wrong("templateVariables: expected an object");
  return {};
}

Error no_session(const std::string& id) {
  return {Errc::not_found, fmt::format("no session \"{}\"", id)};
}

}  // namespace

Sessions::Sessions(net::any_io_executor loop, Store& store, router::Completer& completer,
                   FindModel find_model)
    : loop_(loop),
      store_(store),
      completer_(completer),
      find_model_(std::move(find_model)),
      turns_(loop),
      change_(loop, net::steady_timer::time_point::max()) {}

Sessions::~Sessions() = default;

Sessions::Entry* Sessions::find(std::string_view id) {
  auto found = entries_.find(id);
  return found == entries_.end() || found->second.is_leaving ? nullptr : &found->second;
}

Task<Result<>> Sessions::recover() {
  auto ids = co_await store_.unfinished();
  if (!ids) co_return ids.error();
  for (const std::string& id : *ids) {
    auto session = co_await open(id);
    if (session) {
      co_await (*session)->recover();
    } else {
      log::error("a session cannot be recovered", {{"reason", session.error().message}});
    }
  }
  if (!ids->empty()) log::info("unfinished turns were ended", {{"sessions", ids->size()}});
  co_return Result<>();
}

Task<Result<std::shared_ptr<Session>>> Sessions::create(SessionCreate request) {
  if (auto room = store_.has_room(); !room) co_return room.error();
  SessionState state;
  state.view.info.id = new_session_id();
  auto session = std::make_shared<Session>(loop_, store_, std::move(state));
  SessionCreated created{std::move(request.title), std::move(request.cwd),
                         std::move(request.labels)};
  std::vector<EventData> events;
  events.emplace_back(std::move(created));
  auto recorded = co_await session->record_durably(std::move(events));
  if (!recorded) co_return recorded.error();
  entries_[session->id()].session = session;
  evict();
  co_return session;
}

Task<Result<std::shared_ptr<Session>>> Sessions::open(std::string id) {
  if (Entry* entry = find(id)) co_return entry->session;
  if (entries_.contains(id)) co_return no_session(id);  // leaving
  // A session that left memory a moment ago may have events on their way. Should the disk refuse
  // them it would still be in memory: see evict().
  (void)co_await store_.flush();
  auto info = co_await store_.session(id);
  if (!info) co_return info.error();
  EventRange all;
  all.session = id;
  auto events = co_await store_.events(std::move(all));
  if (!events) co_return events.error();
  auto state = fold(*events, id);
  if (!state) co_return state.error();
  // Meanwhile someone else may have opened it, or purged it.
  if (!purged_.contains(id) && !entries_.contains(id))
    entries_[id].session = std::make_shared<Session>(loop_, store_, std::move(*state));
  Entry* entry = find(id);
  if (!entry) co_return no_session(id);
  auto session = entry->session;
  evict();
  co_return session;
}

Task<Result<SessionSubscribed>> Sessions::subscribe(EventSink& client, SessionSubscribe request) {
  auto session = co_await open(request.session);
  if (!session) co_return session.error();
  co_return co_await (*session)->subscribe(client, std::move(request));
}

Task<Result<>> Sessions::purge(std::string id) {
  auto session = co_await open(id);
  if (!session) co_return session.error();
  Entry* entry = find(id);
  if (!entry) co_return no_session(id);
  // The entry stays until the end of this function: no one else finds it.
  entry->is_leaving = true;
  co_await net::this_coro::throw_if_cancelled(false);
  while (entry->turn) {
    entry->turn->interrupt();
    co_await changed();
  }
  auto purged = co_await store_.purge(id);
  co_await net::this_coro::throw_if_cancelled(true);
  entry->is_leaving = false;
  if (!purged) co_return purged;
  (*session)->tell(SessionDeleted{});
  purged_.insert(id);
  entries_.erase(id);
  co_return Result<>();
}

Task<Result<TurnStarted>> Sessions::start_turn(TurnStart request) {
  if (auto good = check(request); !good) co_return good.error();
  auto session = co_await open(request.session);
  if (!session) co_return session.error();
  Entry* entry = find(request.session);
  while (entry && entry->is_starting) {
    co_await changed();
    entry = find(request.session);
  }
  if (!entry) co_return no_session(request.session);
  if (const TurnStarted* started = entry->session->started_with(request.idempotency_key))
    co_return *started;
  if (entry->turn)
    co_return Error{Errc::busy, fmt::format("session {} is running turn {}; wait for its end or "
                                            "interrupt it",
                                            request.session, entry->turn->id())};
  if (refuses_turns_)
    co_return Error{Errc::busy, "the daemon is stopping; send the message again after its restart"};
  if (request.model && find_model_) {
    auto meant = find_model_(*request.model);
    if (!meant) co_return Error{Errc::invalid, "params.model: " + meant.error().message};
    request.model = std::move(*meant);
  }
  if (auto room = store_.has_room(); !room) co_return room.error();
  co_return co_await begin(*entry, std::move(request));
}

Task<Result<TurnStarted>> Sessions::begin(Entry& entry, TurnStart request) {
  std::shared_ptr<Session> session = entry.session;
  TurnStarted started;
  started.seq = session->next_seq();
  started.turn = fmt::format("t{}", started.seq);
  started.message = fmt::format("m{}", started.seq);
  entry.turn = std::make_unique<Turn>(loop_, *session, started.turn);
  entry.is_starting = true;

  MessageUpsert message;
  message.message.id = started.message;
  message.message.role = Role::user;
  message.message.blocks = std::move(request.input);
  message.turn = started.turn;
  message.idempotency_key = request.idempotency_key;
  SessionStateChanged running;
  running.state = Activity::running;
  running.turn = started.turn;
  std::vector<EventData> events;
  events.emplace_back(std::move(message));
  events.emplace_back(std::move(running));

  // From here on it is carried through, even if who asked goes away. The entry stays while it has
  // a turn.
  co_await net::this_coro::throw_if_cancelled(false);
  auto recorded = co_await session->record_durably(std::move(events));
  co_await net::this_coro::throw_if_cancelled(true);
  entry.is_starting = false;
  change_.cancel();
  if (!recorded) {
    entry.turn.reset();
    co_return recorded.error();
  }
  auto routed = route_request(*session, std::move(request), started.turn);
  if (!turns_.spawn("turn", run_turn(session, std::move(routed)))) {
    entry.turn->abandon();
    entry.turn.reset();
    co_return Error{Errc::busy, "the daemon is stopping; try again after its restart"};
  }
  co_return started;
}

Task<> Sessions::run_turn(std::shared_ptr<Session> session, router::RouteRequest request) {
  Entry& entry = entries_.find(session->id())->second;
  co_await entry.turn->run(completer_, std::move(request));
  entry.turn.reset();
  change_.cancel();
}

Task<Result<TurnInterrupted>> Sessions::interrupt_turn(TurnInterrupt request) {
  auto session = co_await open(request.session);
  if (!session) co_return session.error();
  Entry* entry = find(request.session);
  bool is_meant = entry && entry->turn && (!request.turn || *request.turn == entry->turn->id());
  if (is_meant) entry->turn->interrupt();
  co_return TurnInterrupted{is_meant};
}

void Sessions::forget_client(uint64_t client_id) {
  for (auto& [id, entry] : entries_) entry.session->unsubscribe(client_id);
}

void Sessions::refuse_turns() { refuses_turns_ = true; }

void Sessions::stop() {
  for (auto& [id, entry] : entries_)
    if (entry.turn) entry.turn->interrupt();
}

Task<> Sessions::join() { return turns_.join(); }

Task<> Sessions::changed() {
  auto [cancelled] = co_await change_.async_wait(as_result);
  (void)cancelled;  // that is how a change is told
}

void Sessions::evict() {
  if (entries_.size() <= kMaxLoaded || store_.failure()) return;
  std::erase_if(entries_, [](const auto& item) {
    const Entry& entry = item.second;
    return !entry.turn && !entry.is_leaving && !entry.session->is_watched() &&
           entry.session.use_count() == 1;
  });
}

}  // namespace hearth::session
