#include "support/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace hearth::testing {

namespace {

constexpr timeval kPatience{20, 0};

RawClient connected(int family, const sockaddr* address, socklen_t size) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  int on = 1;
  if (family != AF_UNIX) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, address, size) != 0) {
    ::close(fd);
    fd = -1;
  }
  return RawClient(fd);
}

}  // namespace

int RawFrame::close_code() const {
  if (opcode != 8) return 0;
  if (payload.size() < 2) return 1005;
  return static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
}

RawClient RawClient::tcp(uint16_t port, const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  return connected(AF_INET, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

RawClient RawClient::unix_socket(const std::string& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), std::min(path.size(), sizeof to.sun_path - 1));
  return connected(AF_UNIX, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool RawClient::receive_some() {
  char bytes[1 << 16];
  ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(n));
  return true;
}

std::string RawClient::read_to_end() {
  while (receive_some()) {
  }
  return std::move(buffer_);
}

bool RawClient::is_closed_by_peer() {
  char bytes[4096];
  for (;;) {
    ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (n == 0) return true;
    if (n < 0) return errno == ECONNRESET || errno == EPIPE;
  }
}

bool RawClient::fill(size_t n_bytes) {
  while (buffer_.size() < n_bytes)
    if (!receive_some()) return false;
  return true;
}

std::string RawClient::take(size_t n_bytes) {
  std::string taken = buffer_.substr(0, n_bytes);
  buffer_.erase(0, n_bytes);
  return taken;
}

// Without its CR LF; "\n" alone when the connection ended first.
std::string RawClient::read_line() {
  size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos)
    if (!receive_some()) return "\n";
  std::string line = take(end);
  take(2);
  return line;
}

RawResponse RawClient::read_response() {
  RawResponse response;
  std::string line = read_line();
  if (!line.starts_with("HTTP/1.1 ")) return response;
  int status = std::stoi(line.substr(9, 3));
  while (!(line = read_line()).empty()) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) return response;
    std::string name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    response.headers[name] = line.substr(line.find_first_not_of(' ', colon + 1));
  }
  response.status = status;
  if (response.headers.contains("content-length")) {
    size_t n_bytes = std::stoul(response.headers["content-length"]);
    response.is_whole = fill(n_bytes);
    response.body = take(n_bytes);
  } else if (response.headers.contains("transfer-encoding")) {
    for (;;) {
      line = read_line();
      if (line == "\n") return response;
      size_t n_bytes = std::stoul(line, nullptr, 16);
      if (!fill(n_bytes + 2)) return response;
      response.body += take(n_bytes);
      take(2);
      if (n_bytes == 0) break;
    }
    response.is_whole = true;
  } else {
    response.is_whole = true;
  }
  return response;
}

RawResponse RawClient::upgrade(std::string_view path, std::string_view host,
                               std::string_view headers) {
  std::string request = "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                        std::string(headers) + "\r\n";
  send(request);
  return read_response();
}

bool RawClient::send_frame(uint8_t first, std::string_view payload, bool is_masked) {
  std::string frame(1, static_cast<char>(first));
  auto put_length = [&](int n_bytes) {
    for (int shift = 8 * (n_bytes - 1); shift >= 0; shift -= 8)
      frame += static_cast<char>(payload.size() >> shift);
  };
  uint8_t mask_bit = is_masked ? 0x80 : 0;
  if (payload.size() < 126) {
    frame += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() < 65536) {
    frame += static_cast<char>(mask_bit | 126);
    put_length(2);
  } else {
    frame += static_cast<char>(mask_bit | 127);
    put_length(8);
  }
  const std::string key = "\x12\x34\x56\x78";
  if (is_masked) frame += key;
  for (size_t i = 0; i < payload.size(); ++i)
    frame += static_cast<char>(is_masked ? payload[i] ^ key[i % 4] : payload[i]);
  return send(frame);
}

RawFrame RawClient::read_frame() {
  RawFrame frame;
  if (!fill(2)) return frame;
  uint8_t first = static_cast<uint8_t>(buffer_[0]);
  uint64_t n_bytes = static_cast<uint8_t>(buffer_[1]) & 0x7f;
  size_t n_length = n_bytes == 126 ? 2 : n_bytes == 127 ? 8 : 0;
  if (!fill(2 + n_length)) return frame;
  if (n_length > 0) n_bytes = 0;
  for (size_t i = 0; i < n_length; ++i)
    n_bytes = n_bytes << 8 | static_cast<uint8_t>(buffer_[2 + i]);
  if (!fill(2 + n_length + n_bytes)) return frame;
  take(2 + n_length);
  frame.payload = take(n_bytes);
  frame.opcode = first & 0x0f;
  frame.is_final = (first & 0x80) != 0;
  return frame;
}

std::string RawClient::read_text() {
  std::string text;
  for (;;) {
    RawFrame frame = read_frame();
    if (frame.opcode == 9) {
      send_frame(0x8a, frame.payload);
    } else if (frame.opcode == 0 || frame.opcode == 1) {
      text += frame.payload;
      if (frame.is_final) return text;
    } else if (frame.opcode != 10) {
      return {};
    }
  }
}

int RawClient::read_close_code() {
  for (;;) {
    RawFrame frame = read_frame();
    if (frame.opcode == 8 || frame.opcode == -1) return frame.close_code();
  }
}

void RawClient::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

}  // namespace hearth::testing
