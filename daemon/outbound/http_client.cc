#include "outbound/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <map>

// How libcurl's multi-socket interface meets Asio: curl names the sockets that it waits on and a
// timer; we watch both and call curl_multi_socket_action() when one fires. A finished transfer
// wakes the coroutine that waits for it. Silence is measured here and not by curl, whose own limit
// is an average over seconds.
namespace hearth {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxHeadBytes = 256 << 10;  // of all responses that one transfer gets
constexpr std::chrono::milliseconds kLinger{200};
// Curl's buffer, held by every transfer. Answers come in small pieces, files do not.
constexpr long kAnswerBytes = 1 << 10, kFileBytes = 16 << 10;

struct Transfer {
  Transfer(net::any_io_executor executor, OutboundRequest& asked)
      : request(asked), n_body(asked.body.size()), done(executor, Clock::time_point::max()) {}

  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  OutboundRequest& request;
  const uint64_t n_body;  // of the request
  OutboundResponse response;
  HttpClient::BodySink on_body;
  bool is_stopped_by_sink = false;
  std::exception_ptr thrown_by_sink;              // must not cross curl's frames
  std::string refusal;                            // why we ended it, when we did
  uint64_t n_wire_sent = 0, n_wire_received = 0;  // heads and bodies with all framing, before TLS
  size_t n_head_bytes = 0;
  uint64_t n_body_bytes = 0;
  std::vector<std::string> hosts;
  bool has_head = false;  // up to its empty line; curl takes less for a whole answer
  curl_off_t n_uploaded = 0;
  Clock::time_point moved_at = Clock::now();  // the last byte in either direction
  std::optional<Clock::time_point> had_all_at;
  std::optional<CURLcode> outcome;
  net::steady_timer done;  // cancelled when `outcome` or `had_all_at` is there
  char error_text[CURL_ERROR_SIZE] = {};

  // When to stop waiting. Uploaded bytes are counted by curl and seen only here.
  Clock::time_point deadline() {
    if (had_all_at) return *had_all_at + kLinger;
    curl_off_t n_bytes = 0;
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &n_bytes);
    if (n_bytes != std::exchange(n_uploaded, n_bytes)) moved_at = Clock::now();
    return moved_at + patience();
  }
  std::chrono::milliseconds patience() const {
    const bool waits_for_first = n_head_bytes == 0 && request.first_byte_timeout.count() > 0;
    return waits_for_first ? request.first_byte_timeout : request.stall_timeout;
  }

  ~Transfer() {
    if (easy) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
};

// Host and port, without a user or password.
std::string host_of(const std::string& url) {
  size_t begin = url.find("://");
  begin = begin == url.npos ? 0 : begin + 3;
  std::string authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  return authority.substr(authority.rfind('@') + 1);  // npos + 1 is 0
}

void note_host(Transfer& transfer) {
  char* url = nullptr;
  curl_easy_getinfo(transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
  std::string host = url ? host_of(url) : "";
  if (transfer.hosts.back() != host) transfer.hosts.push_back(std::move(host));
}

// Curl's own counts take the part of a body that goes out with its head twice.
int count_bytes(CURL*, curl_infotype kind, char*, size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (kind == CURLINFO_HEADER_OUT || kind == CURLINFO_DATA_OUT) transfer.n_wire_sent += size;
  if (kind == CURLINFO_HEADER_IN || kind == CURLINFO_DATA_IN) transfer.n_wire_received += size;
  return 0;
}

size_t hear_header(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.moved_at = Clock::now();
  transfer.n_head_bytes += size * count;
  if (transfer.n_head_bytes > kMaxHeadBytes) {
    transfer.refusal = fmt::format("the head of the answer is longer than {} bytes", kMaxHeadBytes);
    return 0;
  }
  OutboundResponse& response = transfer.response;
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) transfer.has_head = true;
  if (line.starts_with("HTTP/")) {  // a new response: redirect, 100-continue
    transfer.has_head = false;
    response.headers.clear();
    note_host(transfer);
  }
  size_t colon = line.find(':');
  if (colon == line.npos) return size * count;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  response.headers.emplace_back(std::move(name), std::string(value));
  return size * count;
}

bool is_body_sent(const Transfer& transfer) {
  long n_head_sent = 0;
  curl_off_t n_sent = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_REQUEST_SIZE, &n_head_sent);
  curl_easy_getinfo(transfer.easy, CURLINFO_SIZE_UPLOAD_T, &n_sent);
  return n_head_sent > 0 && static_cast<uint64_t>(n_sent) >= transfer.n_body;
}

// An answer takes minutes. Once it has begun nothing is sent again but to follow a redirect.
void let_go_of_body(Transfer& transfer) {
  OutboundRequest& request = transfer.request;
  if (request.body.empty() || request.follow_redirects || !is_body_sent(transfer)) return;
  std::string().swap(request.body);
}

// Before each sending: curl tries some streams again that had begun, and has but the address of
// what was let go of.
int may_send(void* self, char*, char*, int, int) {
  const auto& transfer = *static_cast<Transfer*>(self);
  return transfer.request.body.size() == transfer.n_body ? CURL_PREREQFUNC_OK
                                                         : CURL_PREREQFUNC_ABORT;
}

size_t hear_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.moved_at = Clock::now();
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  transfer.n_body_bytes += size * count;
  if (transfer.n_body_bytes > transfer.request.max_body_bytes) {
    transfer.refusal =
        fmt::format("the answer is longer than {} bytes", transfer.request.max_body_bytes);
    return 0;
  }
  try {
    transfer.is_stopped_by_sink = !transfer.on_body(transfer.response, {data, size * count});
  } catch (...) {
    transfer.thrown_by_sink = std::current_exception();
  }
  if (transfer.is_stopped_by_sink || transfer.thrown_by_sink) return 0;
  let_go_of_body(transfer);
  if (transfer.request.has_all && !transfer.had_all_at && transfer.request.has_all()) {
    transfer.had_all_at = Clock::now();
    transfer.done.cancel();
  }
  return size * count;
}

// A control character would end the line and begin a header of somebody else's choice.
bool is_one_line(std::string_view header) {
  return std::ranges::none_of(header,
                              [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

Error error_of(CURLcode code, const Transfer& transfer) {
  std::string host = host_of(transfer.request.url);
  const char* detail = transfer.error_text[0] ? transfer.error_text : curl_easy_strerror(code);
  if (!transfer.refusal.empty())
    return {Errc::upstream, fmt::format("{}: {}", host, transfer.refusal)};
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
    ~Watch() {
      if (descriptor.is_open()) descriptor.release();
    }
  };

  State(net::any_io_executor loop, EgressSink sink, std::function<std::string()> authorities)
      : executor(loop),
        on_egress(std::move(sink)),
        ca_file(std::move(authorities)),
        timer(loop),
        multi(curl_multi_init()) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  }
  ~State() { curl_multi_cleanup(multi); }

  static int watch_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    auto& state = *static_cast<State*>(self);
    if (what == CURL_POLL_REMOVE) {
      // Curl closes the socket next. A wait that is still pending must end now, or it would be left
      // with a number that the next socket gets.
      if (auto at = state.watches.find(socket); at != state.watches.end()) {
        at->second->descriptor.release();
        state.watches.erase(at);
      }
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
    auto act = [weak = state.weak_from_this()](boost::system::error_code failed) {
      auto alive = weak.lock();
      if (!failed && alive) alive->act(CURL_SOCKET_TIMEOUT, 0);
    };
    if (timeout_ms == 0) {  // at once, but not within its own call
      state.timer.cancel();
      net::post(state.executor, [act = std::move(act)] { act({}); });
      return 0;
    }
    state.timer.expires_after(std::chrono::milliseconds(timeout_ms));
    state.timer.async_wait(std::move(act));
    return 0;
  }

  void arm(curl_socket_t socket, const std::shared_ptr<Watch>& watch) {
    auto wait = [&](int direction, bool& is_waiting, net::posix::descriptor_base::wait_type type,
                    int event) {
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
    wait(CURL_POLL_OUT, watch->is_writing, net::posix::descriptor_base::wait_write,
         CURL_CSELECT_OUT);
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
  EgressSink on_egress;
  std::function<std::string()> ca_file;
  net::steady_timer timer;
  CURLM* multi;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches;
};

HttpClient::HttpClient(net::any_io_executor executor, EgressSink on_egress,
                       std::function<std::string()> ca_file) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialised;
  state_ = std::make_shared<State>(executor, std::move(on_egress), std::move(ca_file));
}
HttpClient::~HttpClient() = default;

namespace {

// This machine needs no proxy, whatever the variables say, and no proxy may see what is meant for
// it: prompts that must not leave, and the daemon's own token. Curl asks for each redirect anew.
std::string hosts_without_proxy() {
  const char* said = std::getenv("no_proxy");
  if (!said) said = std::getenv("NO_PROXY");
  std::string hosts = said ? said : "";
  if (hosts == "*") return hosts;  // all; curl knows it only when it stands alone
  return "localhost,127.0.0.0/8,::1" + (hosts.empty() ? "" : "," + hosts);
}

void set_up(Transfer& transfer, const std::string& ca_file) {
  OutboundRequest& request = transfer.request;
  transfer.hosts = {host_of(request.url)};
  CURL* easy = transfer.easy = curl_easy_init();
  auto set = [easy](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, request.url.starts_with("http:") ? "http,https" : "https");
  set(CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, 8L);
  set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROXY, hosts_without_proxy().c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // The curl program heeds this variable, the library does not.
  const char* authorities = std::getenv("SSL_CERT_FILE");
  if (!ca_file.empty()) authorities = ca_file.c_str();
  if (authorities && *authorities) set(CURLOPT_CAINFO, authorities);
  set(CURLOPT_USERAGENT, "hearth");
  set(CURLOPT_BUFFERSIZE, request.has_all ? kAnswerBytes : kFileBytes);
  set(CURLOPT_ERRORBUFFER, transfer.error_text);
  set(CURLOPT_PRIVATE, &transfer);
  set(CURLOPT_VERBOSE, 1L);  // tells count_bytes() and nobody else
  set(CURLOPT_DEBUGFUNCTION, &count_bytes);
  set(CURLOPT_DEBUGDATA, &transfer);
  set(CURLOPT_HEADERFUNCTION, &hear_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_PREREQFUNCTION, &may_send);
  set(CURLOPT_PREREQDATA, &transfer);
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
  std::vector<std::string>().swap(request.headers);  // curl has its own for as long as it lasts
  transfer.headers = curl_slist_append(transfer.headers, "Expect:");
  set(CURLOPT_HTTPHEADER, transfer.headers);
}

Egress egress_of(const Transfer& transfer) {
  Egress egress{transfer.request.cause, transfer.request.method, transfer.hosts};
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &egress.status);
  egress.n_sent = transfer.n_wire_sent;
  egress.n_received = transfer.n_wire_received;
  egress.is_body_sent = is_body_sent(transfer);
  return egress;
}

// Takes the transfer out of curl however the coroutine ends, cancellation included, and tells of
// it.
struct Attached {
  CURLM* multi;
  Transfer& transfer;
  const EgressSink& on_egress;
  Attached(CURLM* m, Transfer& t, const EgressSink& sink) : multi(m), transfer(t), on_egress(sink) {
    curl_multi_add_handle(multi, transfer.easy);
  }
  ~Attached() {
    const Egress egress = egress_of(transfer);
    on_egress(egress);
    if (transfer.request.on_end) transfer.request.on_end(egress);
    curl_multi_remove_handle(multi, transfer.easy);
  }
};

}  // namespace

Task<Result<OutboundResponse>> HttpClient::fetch(OutboundRequest request, BodySink on_body) {
  for (const std::string& header : request.headers)
    if (!is_one_line(header))
      co_return Error{
          Errc::invalid,
          fmt::format("{}: the request's header {} holds a line break or another control character",
                      host_of(request.url), &header - request.headers.data() + 1)};
  std::shared_ptr<State> state = state_;
  Transfer transfer(state->executor, request);
  transfer.on_body = std::move(on_body);
  set_up(transfer, state->ca_file ? state->ca_file() : "");
  Attached attached(state->multi, transfer, state->on_egress);
  auto withdrawal = co_await net::this_coro::cancellation_state;
  while (!transfer.outcome) {
    transfer.done.expires_at(transfer.deadline());
    co_await transfer.done.async_wait(as_result);
    if (transfer.outcome) break;
    if (withdrawal.cancelled() != net::cancellation_type::none)
      co_return Error{Errc::cancelled, "the request was withdrawn"};
    if (Clock::now() < transfer.deadline()) continue;
    if (transfer.had_all_at) break;
    co_return Error{Errc::timeout,
                    fmt::format("{}: not a byte in {} ms", host_of(transfer.request.url),
                                transfer.patience().count())};
  }
  if (transfer.thrown_by_sink) std::rethrow_exception(transfer.thrown_by_sink);
  if (transfer.is_stopped_by_sink) co_return Error{Errc::cancelled, "the transfer was stopped"};
  if (!transfer.had_all_at && *transfer.outcome != CURLE_OK)
    co_return error_of(*transfer.outcome, transfer);
  if (!transfer.has_head)
    co_return Error{Errc::upstream,
                    fmt::format("{}: the connection ended within the head of the answer",
                                host_of(transfer.request.url))};
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  char* url = nullptr;
  curl_easy_getinfo(transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
  if (url) transfer.response.url = url;
  co_return std::move(transfer.response);
}

}  // namespace hearth
