#include "router/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <algorithm>
#include <cctype>
#include <map>

// How libcurl's multi-socket interface meets Asio: curl names the sockets that it waits on and a
// timer; we watch both and call curl_multi_socket_action() when one fires. A finished transfer wakes
// the coroutine that waits for it.
namespace hearth {

namespace {

struct Transfer {
  Transfer(net::any_io_executor executor) : done(executor, net::steady_timer::time_point::max()) {}

  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  OutboundRequest request;
  OutboundResponse response;
  HttpClient::BodySink on_body;
  bool is_stopped_by_sink = false;
  std::optional<CURLcode> outcome;
  net::steady_timer done;  // cancelled when `outcome` is there
  char error_text[CURL_ERROR_SIZE] = {};

  ~Transfer() {
    if (easy) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
};

size_t hear_header(char* data, size_t size, size_t count, void* self) {
  auto& response = static_cast<Transfer*>(self)->response;
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) response.headers.clear();  // a new response: redirect, 100-continue
  size_t colon = line.find(':');
  if (colon == line.npos) return size * count;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  response.headers.emplace_back(std::move(name), std::string(value));
  return size * count;
}

size_t hear_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  if (transfer.on_body(transfer.response, {data, size * count})) return size * count;
  transfer.is_stopped_by_sink = true;
  return 0;
}

std::string host_of(const std::string& url) {
  size_t begin = url.find("://");
  begin = begin == url.npos ? 0 : begin + 3;
  return url.substr(begin, url.find_first_of("/?#", begin) - begin);
}

Error error_of(CURLcode code, const Transfer& transfer) {
  std::string host = host_of(transfer.request.url);
  const char* detail = transfer.error_text[0] ? transfer.error_text : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) return {Errc::timeout, fmt::format("{}: {}", host, detail)};
  return {Errc::upstream, fmt::format("{}: {}", host, detail)};
}

}  // namespace

std::optional<std::string_view> OutboundResponse::header(std::string_view name) const {
  for (const auto& [each, value] : headers)
    if (each == name) return value;
  return std::nullopt;
}

struct HttpClient::State : std::enable_shared_from_this<HttpClient::State> {
  // One socket of curl's. The descriptor is borrowed: released, never closed, by us.
  struct Watch {
    explicit Watch(net::any_io_executor executor) : descriptor(executor) {}
    net::posix::stream_descriptor descriptor;
    int wanted = 0;  // CURL_POLL_IN | CURL_POLL_OUT
    bool is_reading = false, is_writing = false;
    ~Watch() { descriptor.release(); }
  };

  explicit State(net::any_io_executor loop) : executor(loop), timer(loop), multi(curl_multi_init()) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  }
  ~State() { curl_multi_cleanup(multi); }

  static int watch_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    auto& state = *static_cast<State*>(self);
    if (what == CURL_POLL_REMOVE) {
      state.watches.erase(socket);
      return 0;
    }
    auto& watch = state.watches[socket];
    if (!watch) {
      watch = std::make_shared<Watch>(state.executor);
      boost::system::error_code failed;
      watch->descriptor.assign(socket, failed);
      if (failed) return -1;
    }
    watch->wanted = what;
    state.arm(socket, watch);
    return 0;
  }

  static int set_timer(CURLM*, long timeout_ms, void* self) {
    auto& state = *static_cast<State*>(self);
    if (timeout_ms < 0) {
      state.timer.cancel();
      return 0;
    }
    state.timer.expires_after(std::chrono::milliseconds(timeout_ms));
    state.timer.async_wait([weak = state.weak_from_this()](boost::system::error_code failed) {
      auto alive = weak.lock();
      if (!failed && alive) alive->act(CURL_SOCKET_TIMEOUT, 0);
    });
    return 0;
  }

  void arm(curl_socket_t socket, const std::shared_ptr<Watch>& watch) {
    auto wait = [&](int direction, bool& is_waiting, net::posix::descriptor_base::wait_type type, int event) {
      if (!(watch->wanted & direction) || is_waiting) return;
      is_waiting = true;
      watch->descriptor.async_wait(type, [weak = weak_from_this(), socket, watch, &is_waiting,
                                          event](boost::system::error_code failed) {
        is_waiting = false;
        auto alive = weak.lock();
        if (failed || !alive) return;
        alive->act(socket, event);
        auto still = alive->watches.find(socket);
        if (still != alive->watches.end() && still->second == watch) alive->arm(socket, watch);
      });
    };
    wait(CURL_POLL_IN, watch->is_reading, net::posix::descriptor_base::wait_read, CURL_CSELECT_IN);
    wait(CURL_POLL_OUT, watch->is_writing, net::posix::descriptor_base::wait_write, CURL_CSELECT_OUT);
  }

  void act(curl_socket_t socket, int event) {
    int n_running = 0;
    curl_multi_socket_action(multi, socket, event, &n_running);
    int n_left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &n_left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      transfer->outcome = message->data.result;
      transfer->done.cancel();
    }
  }

  net::any_io_executor executor;
  net::steady_timer timer;
  CURLM* multi;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches;
};

HttpClient::HttpClient(net::any_io_executor executor) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialised;
  state_ = std::make_shared<State>(executor);
}
HttpClient::~HttpClient() = default;

namespace {

void set_up(Transfer& transfer) {
  const OutboundRequest& request = transfer.request;
  CURL* easy = transfer.easy = curl_easy_init();
  auto set = [easy](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "https,http");
  set(CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, 8L);
  set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.stall_timeout.count() / 1000)));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  set(CURLOPT_USERAGENT, "hearth");
  set(CURLOPT_ERRORBUFFER, transfer.error_text);
  set(CURLOPT_PRIVATE, &transfer);
  set(CURLOPT_HEADERFUNCTION, &hear_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &hear_body);
  set(CURLOPT_WRITEDATA, &transfer);
  if (request.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  for (const std::string& header : request.headers)
    transfer.headers = curl_slist_append(transfer.headers, header.c_str());
  transfer.headers = curl_slist_append(transfer.headers, "Expect:");
  set(CURLOPT_HTTPHEADER, transfer.headers);
}

// Takes the transfer out of curl however the coroutine ends, cancellation included.
struct Attached {
  CURLM* multi;
  Transfer& transfer;
  Attached(CURLM* m, Transfer& t) : multi(m), transfer(t) { curl_multi_add_handle(multi, transfer.easy); }
  ~Attached() { curl_multi_remove_handle(multi, transfer.easy); }
};

}  // namespace

Task<Result<OutboundResponse>> HttpClient::fetch(OutboundRequest request, BodySink on_body) {
  std::shared_ptr<State> state = state_;
  Transfer transfer(state->executor);
  transfer.request = std::move(request);
  transfer.on_body = std::move(on_body);
  set_up(transfer);
  Attached attached(state->multi, transfer);
  while (!transfer.outcome) {
    auto [error] = co_await transfer.done.async_wait(as_result);
    if (!transfer.outcome && error == net::error::operation_aborted)
      co_return Error{Errc::cancelled, "the request was withdrawn"};
  }
  if (transfer.is_stopped_by_sink) co_return Error{Errc::cancelled, "the transfer was stopped"};
  if (*transfer.outcome != CURLE_OK) co_return error_of(*transfer.outcome, transfer);
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  char* url = nullptr;
  curl_easy_getinfo(transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
  if (url) transfer.response.url = url;
  co_return std::move(transfer.response);
}

}  // namespace hearth
