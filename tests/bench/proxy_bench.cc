// What a daemon adds to a request: sent through it and straight to the upstream behind it, in
// turns, so that whatever else the machine does falls on both. Client and upstream are threads here
// that wait in the kernel; nothing of a runtime's own is measured with them. Run by
// router_bench.mjs.
//
//   proxy_bench    prints the upstream's port, reads "PORT TOKEN" of the daemon, prints JSON
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

[[noreturn]] void give_up(std::string_view why) {
  fmt::print(stderr, "proxy_bench: {}\n", why);
  std::exit(1);
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void send_at_once(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// ---- the upstream ----

constexpr std::string_view kAnswer =
    "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{"
    "\"role\":\"assistant\",\"content\":\"done\"},\"finish_reason\":\"stop\"}]}\n\n"
    "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{"
    "\"prompt_tokens\":10,\"completion_tokens\":1,\"total_tokens\":11}}\n\n"
    "data: [DONE]\n\n";

std::atomic<int64_t> g_reached_ns = 0;  // when the first byte of the last request was here

size_t length_in(std::string_view head) {
  for (std::string_view name : {"Content-Length: ", "content-length: "})
    if (const size_t at = head.find(name); at != head.npos)
      return std::strtoul(head.data() + at + name.size(), nullptr, 10);
  return 0;
}

void serve(int fd) {
  send_at_once(fd);
  const std::string answer = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
      "{:x}\r\n{}\r\n0\r\n\r\n",
      kAnswer.size(), kAnswer);
  std::vector<char> room(256 << 10);
  size_t n_heard = 0;
  for (;;) {
    const ssize_t n = ::recv(fd, room.data() + n_heard, room.size() - n_heard, 0);
    if (n <= 0) break;
    if (n_heard == 0) g_reached_ns = now_ns();
    n_heard += static_cast<size_t>(n);
    const std::string_view heard(room.data(), n_heard);
    const size_t end = heard.find("\r\n\r\n");
    if (end == heard.npos || n_heard < end + 4 + length_in(heard.substr(0, end))) continue;
    n_heard = 0;
    send_all(fd, answer);
  }
  ::close(fd);
}

uint16_t start_upstream() {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listening, generic, size) != 0 || ::listen(listening, 256) != 0 ||
      ::getsockname(listening, generic, &size) != 0)
    give_up("no port to listen at");
  std::thread([listening] {
    for (;;)
      if (const int fd = ::accept(listening, nullptr, nullptr); fd >= 0)
        std::thread(serve, fd).detach();
  }).detach();
  return ntohs(address.sin_port);
}

// ---- the client ----

struct Daemon {
  uint16_t port = 0;
  std::string token;
};

class Client {
 public:
  Client(uint16_t port, std::string token) : port_(port), token_(std::move(token)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      give_up("cannot connect");
    send_at_once(fd_);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::string request(std::string_view body) const {
    return fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        port_, token_, body.size(), body);
  }
  // To the last byte of its answer.
  void ask(std::string_view bytes) {
    send_all(fd_, bytes);
    std::array<char, 16 << 10> room;
    std::string heard;
    while (!heard.ends_with("\r\n0\r\n\r\n")) {
      const ssize_t n = ::recv(fd_, room.data(), room.size(), 0);
      if (n <= 0) give_up("the connection ended: " + heard);
      heard.append(room.data(), static_cast<size_t>(n));
      if (heard.size() > 12 && !heard.starts_with("HTTP/1.1 200")) give_up(heard);
    }
  }

 private:
  const uint16_t port_;
  const std::string token_;
  int fd_ = -1;
};

constexpr std::string_view kSmall =
    R"({"model":"mock","stream":true,"messages":[{"role":"user","content":"hello"}]})";

// 60 KB as an agent sends them: instructions, calls and their results, which the daemon has seen
// before, and a new one of 1 KB.
std::string turn_of_agent(int turn) {
  static constexpr std::string_view kWords[] = {
      "the",  "function", "returns", "a",  "value",  "of",    "type", "when", "file", "is",
      "read", "and",      "written", "to", "buffer", "error", "in",   "line", "test", "passes"};
  auto prose = [](size_t n_bytes, unsigned seed) {
    std::minstd_rand random(seed + 1);
    std::string text;
    while (text.size() < n_bytes) text += fmt::format("{} ", kWords[random() % std::size(kWords)]);
    return text;
  };
  std::string body = fmt::format(
      R"({{"model":"mock","stream":true,"messages":[{{"role":"system","content":"{}"}})",
      prose(12'000, 0));
  for (unsigned i = 1; i <= 40; ++i)
    body += fmt::format(R"(,{{"role":"{}","content":"{}"}})", i % 2 ? "user" : "assistant",
                        prose(1'150, i));
  body += fmt::format(R"(,{{"role":"user","content":"{} {}"}}]}})", turn, prose(1'000, 1'000));
  return body;
}

double quantile(std::vector<double>& values, double q) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

double us(int64_t ns) { return static_cast<double>(ns) / 1000; }

struct Paired {
  std::vector<double> direct, added;
  std::string json(std::string_view name) {
    return fmt::format(R"("{0}_p50_us":{1:.0f},"{0}_p99_us":{2:.0f},)"
                       R"("{0}_direct_p50_us":{3:.0f},"{0}_direct_p99_us":{4:.0f})",
                       name, quantile(added, 0.5), quantile(added, 0.99), quantile(direct, 0.5),
                       quantile(direct, 0.99));
  }
};

// Each request both ways, one right after the other, now this way first and now that way.
Paired in_turns(uint16_t upstream, const Daemon& daemon, int n) {
  Client direct(upstream, ""), proxied(daemon.port, daemon.token);
  const std::string straight = direct.request(kSmall), through = proxied.request(kSmall);
  auto timed = [](Client& client, const std::string& bytes) {
    const int64_t begin = now_ns();
    client.ask(bytes);
    return now_ns() - begin;
  };
  Paired out;
  for (int i = 0; i < n; ++i) {
    int64_t a = 0, b = 0;
    if (i % 2) a = timed(direct, straight);
    b = timed(proxied, through);
    if (i % 2 == 0) a = timed(direct, straight);
    out.direct.push_back(us(a));
    out.added.push_back(us(b - a));
  }
  return out;
}

// So many a second, whether the one before was answered or not: pairs begin at random times, each
// client takes the next one. Measured from when it was to begin.
Paired at_a_rate(uint16_t upstream, const Daemon& daemon, int per_second, int seconds) {
  constexpr int kClients = 16;
  std::mt19937_64 random(1);
  std::exponential_distribution<double> pause(per_second);
  std::vector<int64_t> begins;  // ns
  for (double at = 0.05; at < seconds; at += pause(random))
    begins.push_back(static_cast<int64_t>(1e9 * at));
  std::vector<int64_t> took[2] = {std::vector<int64_t>(begins.size()),
                                  std::vector<int64_t>(begins.size())};
  const int64_t start = now_ns();
  // One of a pair a millisecond after the other, now this and now that: neither waits for it.
  auto run = [&](int way, std::atomic<size_t>& next) {
    Client client(way ? daemon.port : upstream, way ? daemon.token : "");
    const std::string bytes = client.request(kSmall);
    for (size_t i = next++; i < begins.size(); i = next++) {
      const int64_t at = start + begins[i] + (i + static_cast<size_t>(way)) % 2 * 1'000'000;
      std::this_thread::sleep_until(Clock::time_point(Clock::duration(at)));
      client.ask(bytes);
      took[way][i] = now_ns() - at;
    }
  };
  std::atomic<size_t> next[2] = {0, 0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 2 * kClients; ++i) clients.emplace_back([&, i] { run(i % 2, next[i % 2]); });
  clients.clear();
  Paired out;
  for (size_t i = 0; i < begins.size(); ++i) {
    out.direct.push_back(us(took[0][i]));
    out.added.push_back(us(took[1][i] - took[0][i]));
  }
  return out;
}

double most_per_second(const Daemon& daemon, int n, int n_clients) {
  const int64_t begin = now_ns();
  std::atomic<int> next = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < n_clients; ++i)
    clients.emplace_back([&] {
      Client client(daemon.port, daemon.token);
      const std::string bytes = client.request(kSmall);
      while (next++ < n) client.ask(bytes);
    });
  clients.clear();
  return n / (static_cast<double>(now_ns() - begin) / 1e9);
}

// From the client's first byte to the upstream's.
std::vector<double> reaching(uint16_t upstream, const Daemon& daemon, int n, bool is_direct) {
  Client client(is_direct ? upstream : daemon.port, daemon.token);
  std::vector<double> took;
  for (int i = 0; i < n; ++i) {
    const std::string bytes = client.request(turn_of_agent(i));
    const int64_t begin = now_ns();
    client.ask(bytes);
    took.push_back(us(g_reached_ns - begin));
  }
  return took;
}

}  // namespace

int main() {
  const uint16_t upstream = start_upstream();
  fmt::print("{}\n", upstream);
  std::fflush(stdout);
  Daemon daemon;
  if (!(std::cin >> daemon.port >> daemon.token)) give_up("expected PORT TOKEN");

  (void)in_turns(upstream, daemon, 200);
  Paired one = in_turns(upstream, daemon, 3000);
  constexpr int kPerSecond = 500, kSeconds = 10;
  Paired rate = at_a_rate(upstream, daemon, kPerSecond, kSeconds);
  const double most = most_per_second(daemon, 10'000, 16);
  std::vector<double> straight = reaching(upstream, daemon, 300, true);
  std::vector<double> reach = reaching(upstream, daemon, 1000, false);
  fmt::print(
      "{{{},{},\"rate_per_s\":{},\"most_per_s\":{:.0f},\"reach_p50_us\":{:.0f},"
      "\"reach_p99_us\":{:.0f},\"reach_direct_p50_us\":{:.0f},\"reach_direct_p99_us\":{:.0f}}}\n",
      one.json("one"), rate.json("rate"), kPerSecond, most, quantile(reach, 0.5),
      quantile(reach, 0.99), quantile(straight, 0.5), quantile(straight, 0.99));
  std::fflush(stdout);
  std::_Exit(0);  // threads of the upstream still wait
}
