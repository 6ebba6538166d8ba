#include "service/daemon.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <deque>
#include <exception>

#include "daemon/commit.h"
#include "daemon/version.h"
#include "jsonrpc/dispatcher.h"
#include "net/auth.h"
#include "net/discovery.h"
#include "net/gate.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/ws_connection.h"
#include "router/labeller.h"
#include "router/learner.h"
#include "router/ledger.h"
#include "router/ledger_reader.h"
#include "router/providers.h"
#include "router/router.h"
#include "service/egress_journal.h"
#include "service/metrics.h"
#include "service/model_catalog.h"
#include "service/privacy_methods.h"
#include "service/route_journal.h"
#include "service/session_methods.h"
#include "service/system_methods.h"
#include "service/text_handlers.h"
#include "service/wire_handlers.h"
#include "session/sessions.h"
#include "session/store.h"
#include "support/log.h"
#include "support/offload.h"

namespace hearth {

namespace {

// How long a polite stop waits for running answers before it interrupts them.
constexpr std::chrono::seconds kStopGrace{2}, kDrainGrace{120};

bool needs_restart(const Config& now, const Config& next) {
  return now.server.port != next.server.port || now.log.max_bytes != next.log.max_bytes ||
         now.log.keep != next.log.keep;
}

// Everything that lives as long as the daemon serves. Members stand in order of dependence.
class Daemon {
 public:
  Daemon(net::io_context& loop, DaemonOptions options, std::shared_ptr<const Config> config,
         transport::Token token, transport::Listener listener,
         std::unique_ptr<session::Store> store, std::unique_ptr<router::Ledger> ledger,
         egress::Ledger egress, net::signal_set& signals);

  Task<> run();

 private:
  static transport::HttpOptions http_options(const Config& config);
  void bind_http();
  void bind_rpc();
  Task<> resume(EventSink& client, protocol::Initialize hello);
  Task<> answer_health(transport::HttpRequest request, transport::HttpResponder& responder);
  Task<> answer_metrics(transport::HttpRequest request, transport::HttpResponder& responder);
  Task<> watch_signals();
  Task<> recall_decisions();
  Result<> reload_config();
  Result<std::string> rotate_token();
  Result<> announce(const std::string& token) const;
  void ask_to_stop(bool drain);
  Task<> end();

  net::io_context& loop_;
  net::signal_set& signals_;
  const DaemonOptions options_;
  std::shared_ptr<const Config> config_;
  const std::string epoch_;
  const std::string url_, socket_path_;

  std::unique_ptr<session::Store> store_;
  std::unique_ptr<router::Ledger> ledger_;
  engine::EngineClient engine_;
  ModelCatalog catalog_;
  EgressJournal egress_;
  router::Labeller labeller_;
  std::unique_ptr<router::Provider> local_;
  std::unique_ptr<router::Provider> remote_;
  Metrics metrics_;
  RouteJournal journal_;
  router::Learner learner_;
  router::Router router_;
  session::Sessions sessions_;
  session::SessionMethods session_methods_;
  WireHandlers wires_;
  TextHandlers texts_;
  SystemMethods system_methods_;
  PrivacyMethods privacy_methods_;
  jsonrpc::Dispatcher dispatcher_;
  transport::RpcOptions rpc_;
  transport::Token token_;
  transport::ClientTokens clients_;
  transport::Gate gate_;
  transport::HttpServer server_;
  std::optional<transport::Listener> listener_;
  TaskGroup tasks_;
  net::steady_timer stop_;  // cancelled when the daemon is to stop
  bool is_stopping_ = false;
  bool drain_ = false;
};

transport::HttpOptions Daemon::http_options(const Config& config) {
  transport::HttpOptions options;
  options.max_body_bytes = config.server.max_body_bytes;
  options.max_message_bytes = config.server.max_message_bytes;
  options.max_connections = config.server.max_connections;
  return options;
}

Daemon::Daemon(net::io_context& loop, DaemonOptions options, std::shared_ptr<const Config> config,
               transport::Token token, transport::Listener listener,
               std::unique_ptr<session::Store> store, std::unique_ptr<router::Ledger> ledger,
               egress::Ledger egress, net::signal_set& signals)
    : loop_(loop),
      signals_(signals),
      options_(std::move(options)),
      config_(std::move(config)),
      epoch_(std::to_string(store->epoch())),
      url_(listener.url()),
      socket_path_(listener.socket_path()),
      store_(std::move(store)),
      ledger_(std::move(ledger)),
      engine_(loop.get_executor(),
              {"/proc/self/exe", path::join(options_.folders.state, "engine.log")}),
      catalog_(models::Store(path::join(options_.folders.data, "models")), config_),
      egress_(std::move(egress), [this] { return catalog_.policy()->ledger.keep_days; }),
      labeller_(loop.get_executor(), options_.folders.state),
      local_(router::make_engine_provider(
          engine_, [this](const std::string& model) { return catalog_.spec(model); })),
      remote_(router::make_remote_provider(loop.get_executor(), egress_.sink(),
                                           [this] { return config_->network.ca_file; })),
      journal_(metrics_, *ledger_),
      learner_(&router::machine_chance),
      router_({[this](router::TargetKind kind) -> router::Provider& {
                 return kind == router::TargetKind::engine ? *local_ : *remote_;
               },
               [this] { return catalog_.policy(); },
               journal_,
               &labeller_,
               &egress_,
               ledger_.get(),
               machine_clock(),
               {},
               &learner_}),
      sessions_(loop.get_executor(), *store_, router_,
                [this](const std::string& model) { return catalog_.resolve_known(model); }),
      session_methods_(sessions_, *store_),
      wires_(router_, catalog_, engine_),
      texts_(catalog_, engine_),
      system_methods_(
          {catalog_, engine_, metrics_, *ledger_, [this] { return config_; },
           [this] { return reload_config(); }, [this] { return rotate_token(); },
           [this] {
             clients_.refresh();
             server_.cut_revoked();
           },
           [this](bool drain) { ask_to_stop(drain); }, [this] { return server_.n_connections(); },
           [this] { return router_.standings(); }, [this] { return dispatcher_.describe(); },
           HEARTH_VERSION, url_, socket_path_}),
      privacy_methods_(labeller_, [this] { return catalog_.policy(); }),
      token_(std::move(token)),
      clients_(path::join(options_.folders.state, "tokens.json")),
      gate_(token_, {.allowed_origins = config_->server.allowed_origins}, &clients_),
      server_(loop.get_executor(), gate_, http_options(*config_)),
      listener_(std::move(listener)),
      tasks_(loop.get_executor()),
      stop_(loop.get_executor(), net::steady_timer::time_point::max()) {
  clients_.on_change([this](const transport::ClientTokens::List& clients) {
    catalog_.set_token_budgets(clients);
  });
  clients_.refresh();
  metrics_.watch(learner_);
  bind_http();
  bind_rpc();
}

// What answers of the last days took, from the ledger; read beside the loop, since it may be long.
Task<> Daemon::recall_decisions() {
  constexpr size_t kMost = 2000;
  constexpr int64_t kSpanMs = int64_t{3} * 86'400'000;
  const int64_t since_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count() -
                           kSpanMs;
  auto read = [folder = path::join(options_.folders.state, "ledger"), since_ms] {
    std::deque<router::StoredDecision> kept;
    auto reader = router::LedgerReader::open(folder);
    if (!reader) return kept;
    auto keep = [&kept](router::StoredDecision decision) {
      kept.push_back(std::move(decision));
      if (kept.size() > kMost) kept.pop_front();
      return true;
    };
    if (auto visited = reader->decisions({.since_ms = since_ms}, false, keep); !visited)
      log::warn("decisions cannot be read", {{"error", visited.error().message}});
    return kept;
  };
  net::thread_pool worker(1);
  const std::deque<router::StoredDecision> decisions = co_await run_on(worker, std::move(read));
  for (const router::StoredDecision& decision : decisions) learner_.recall(decision);
}

void Daemon::bind_http() {
  server_.route("GET", "/healthz",
                [this](transport::HttpRequest request, transport::HttpResponder& responder) {
                  return answer_health(std::move(request), responder);
                });
  server_.route(
      "GET", "/metrics",
      [this](transport::HttpRequest request, transport::HttpResponder& responder) {
        return answer_metrics(std::move(request), responder);
      },
      transport::Access::owner);
  wires_.bind(server_);
  texts_.bind(server_);
  server_.websocket("/hearth",
                    [this](transport::HttpRequest request, transport::WebSocket& socket) {
                      return transport::serve_rpc(dispatcher_, rpc_, std::move(request), socket);
                    });
}

void Daemon::bind_rpc() {
  transport::bind_life_methods(dispatcher_);
  session::bind_methods(dispatcher_, session_methods_);
  system_methods_.bind(dispatcher_);
  privacy_methods_.bind(dispatcher_);
  rpc_.server_version = HEARTH_VERSION;
  rpc_.epoch = epoch_;
  rpc_.max_message_bytes = config_->server.max_message_bytes;
  rpc_.on_initialized = [this](EventSink& client, protocol::Initialize hello) {
    return resume(client, std::move(hello));
  };
  rpc_.on_client_gone = [this](uint64_t client_id) { sessions_.forget_client(client_id); };
}

// A client that comes back names its cursors: it gets what it missed as if it had subscribed anew.
Task<> Daemon::resume(EventSink& client, protocol::Initialize hello) {
  if (!hello.resume) co_return;
  for (auto& [session, seq] : hello.resume->cursors) {
    protocol::SessionSubscribe request;
    request.session = session;
    request.since = seq;
    request.epoch = hello.resume->epoch;
    jsonrpc::Call call{client};
    auto done = co_await session_methods_.subscribe(call, std::move(request));
    if (!done) log::info("not resumed", {{"session", session}, {"error", done.error().message}});
  }
}

Task<> Daemon::answer_health(transport::HttpRequest request, transport::HttpResponder& responder) {
  json::Object body{{"status", "ok"}, {"version", HEARTH_VERSION}};
  // A client may make sure that it talks to the daemon that it means before it sends the token.
  constexpr size_t kMaxChallengeBytes = 256;
  auto challenge = request.header("x-hearth-challenge");
  if (challenge && challenge->size() <= kMaxChallengeBytes)
    body["proof"] = token_.proof(*challenge);
  std::string text = boost::json::serialize(body);
  (void)co_await responder.respond(200, "application/json", std::move(text));
}

Task<> Daemon::answer_metrics(transport::HttpRequest, transport::HttpResponder& responder) {
  std::string text = metrics_.prometheus(
      {server_.n_connections(), &engine_, ledger_.get(), catalog_.policy(), router_.standings()});
  (void)co_await responder.respond(200, "text/plain; version=0.0.4; charset=utf-8",
                                   std::move(text));
}

Result<> Daemon::announce(const std::string& token) const {
  transport::Discovery discovery{url_,   socket_path_,   token,  ::getpid(),
                                 epoch_, HEARTH_VERSION, kCommit};
  return transport::write_discovery(transport::discovery_path(options_.folders.runtime), discovery);
}

Result<> Daemon::reload_config() {
  auto config = load_config(options_.config_files);
  if (!config) {
    log::error("configuration kept, the new one is wrong", {{"error", config.error().message}});
    return config.error();
  }
  bool is_waiting = needs_restart(*config_, *config);
  config_ = std::make_shared<const Config>(std::move(*config));
  catalog_.set_config(config_);
  gate_.set_allowed_origins(config_->server.allowed_origins);
  server_.set_options(http_options(*config_));
  rpc_.max_message_bytes = config_->server.max_message_bytes;
  store_->set_quota(config_->sessions.quota_bytes);
  log::set_level(config_->log.level);
  log::info("configuration loaded",
            {{"file", config_->path.empty() ? "(defaults)" : config_->path}});
  if (is_waiting) log::warn("server.port, log.max_size and log.keep are taken at the next start");
  return {};
}

Result<std::string> Daemon::rotate_token() {
  auto tell = [this](const std::string& text) {
    log::hide(text);
    labeller_.guard(text);
    return announce(text);
  };
  if (auto done = token_.rotate(tell); !done) return done.error();
  server_.drop_clients();
  log::info("token rotated");
  return token_.text();
}

void Daemon::ask_to_stop(bool drain) {
  if (is_stopping_ && drain) return;  // it does
  drain_ = drain;
  is_stopping_ = true;
  stop_.cancel();
}

Task<> Daemon::watch_signals() {
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  for (;;) {
    auto [error, number] = co_await signals_.async_wait(as_result);
    if (error) co_return;
    if (number == SIGHUP)
      (void)reload_config();
    else
      ask_to_stop(false);
  }
}

Task<> Daemon::run() {
  if (auto done = co_await sessions_.recover(); !done)
    log::error("sessions could not be recovered", {{"error", done.error().message}});
  server_.serve(std::move(*listener_));
  labeller_.guard(token_.text());
  if (auto done = announce(token_.text()); !done)
    log::error("no discovery file", {{"error", done.error().message}});
  Task<> signals = watch_signals();
  tasks_.spawn("signals", std::move(signals));
  Task<> recalled = recall_decisions();
  tasks_.spawn("recall", std::move(recalled));
  log::info(
      "ready",
      {{"url", url_}, {"socket", socket_path_}, {"pid", ::getpid()}, {"version", HEARTH_VERSION}});
  if (options_.on_ready) options_.on_ready();

  while (!is_stopping_) {
    auto [error] = co_await stop_.async_wait(as_result);
    (void)error;
  }
  co_await end();
}

// A drain gives all that is under way its time; being asked to stop without one ends it.
Task<> Daemon::end() {
  using namespace net::experimental::awaitable_operators;
  log::info("stopping", {{"drain", drain_ ? "yes" : "no"}});
  sessions_.refuse_turns();
  // Turns end before connections do, so that every client hears how. While they may go on the
  // daemon can be found, so that it can be asked again.
  if (drain_) {
    net::steady_timer deadline(loop_, kDrainGrace);
    co_await (sessions_.join() || deadline.async_wait(net::use_awaitable) ||
              stop_.async_wait(as_result));
  }
  transport::remove_discovery(transport::discovery_path(options_.folders.runtime));
  sessions_.stop();
  net::steady_timer deadline(loop_, kStopGrace);
  co_await (sessions_.join() || deadline.async_wait(net::use_awaitable));
  Task<> ending = server_.stop(drain_ ? kDrainGrace : kStopGrace);
  if (drain_)
    co_await (std::move(ending) || stop_.async_wait(as_result));
  else
    co_await std::move(ending);
  co_await sessions_.join();
  Task<> looking = router_.join();
  co_await std::move(looking);
  tasks_.cancel();
  co_await tasks_.join();
  engine_.stop();
  co_await engine_.join();
  (void)co_await store_->flush();
  (void)co_await ledger_->flush();
  log::info("stopped");
}

}  // namespace

namespace {

// Keys and prompts are in this process's memory and environment: programs of the same user may not
// read them, nor does a crash leave them in a file.
void close_to_others() {
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

// Reading a request of 60 KB takes a megabyte for a moment. Left to itself the C library gives it
// back to the kernel and gets it anew page by page, request after request.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
}

}  // namespace

Result<> run_daemon(DaemonOptions options) {
  close_to_others();
  keep_freed_memory();
  ::signal(SIGXFSZ, SIG_IGN);  // a file at the limit of its size is an error of write()
  const path::Folders& folders = options.folders;
  net::io_context loop(1);
  // From before the configuration is read: a reload that is asked for until it is served waits.
  net::signal_set signals(loop, SIGHUP);
  auto loaded = load_config(options.config_files);
  if (!loaded) return loaded.error();
  auto config = std::make_shared<const Config>(std::move(*loaded));

  transport::ListenOptions listen;
  listen.runtime_folder = folders.runtime;
  listen.port = options.port.value_or(config->server.port);
  auto listener = transport::Listener::open(loop.get_executor(), listen);
  if (!listener) return listener.error();
  if (auto made = path::make_private_dir(folders.state); !made) return made.error();
  auto token = transport::Token::open(path::join(folders.state, "token"));
  if (!token) return token.error();
  log::hide(token->text());
  log::set_level(config->log.level);
  if (auto opened = log::open_file(path::join(folders.state, "hearth.log"), config->log.max_bytes,
                                   static_cast<int>(config->log.keep));
      !opened)
    return opened.error();
  // The starter was told; whoever looks for it later reads the log.
  if (listen.port != 0 && listener->port() != listen.port)
    log::warn("port is taken by another program, using a free one",
              {{"wanted", listen.port}, {"port", listener->port()}});
  session::Store::Options store_options;
  store_options.folder = path::join(folders.state, "sessions");
  store_options.quota_bytes = config->sessions.quota_bytes;
  auto store = session::Store::open(loop.get_executor(), std::move(store_options));
  // Not `busy`, which means that a daemon can be reached here.
  if (!store && store.error().code == Errc::busy)
    return Error{Errc::io,
                 store.error().message + ", it has another XDG_RUNTIME_DIR than this one"};
  if (!store) return store.error();
  router::Ledger::Options ledger_options;
  ledger_options.folder = path::join(folders.state, "ledger");
  auto ledger = router::Ledger::open(loop.get_executor(), std::move(ledger_options));
  if (!ledger) return ledger.error();

  auto egress = egress::Ledger::open(path::join(folders.state, "egress"));
  if (!egress) return egress.error();

  Daemon daemon(loop, std::move(options), std::move(config), std::move(*token),
                std::move(*listener), std::move(*store), std::move(*ledger), std::move(*egress),
                signals);
  std::exception_ptr failure;
  net::co_spawn(loop, daemon.run(), [&](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return {};
}

}  // namespace hearth
