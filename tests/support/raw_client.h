// A client that sends exactly the bytes a test wants, right or wrong, over a blocking socket.
// Reads give up after 20 seconds, so that a test fails and does not hang.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "support/file.h"

namespace hearth::testing {

struct RawResponse {
  int status = 0;  // 0: the connection ended before there was a whole head
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined
  bool is_whole = false;                       // the body ended as its framing says
};

struct RawFrame {
  int opcode = -1;  // -1: the connection ended
  bool is_final = false;
  std::string payload;

  // Of a close frame; 1005 when it carries none, 0 when the connection ended without one.
  int close_code() const;
};

class RawClient {
 public:
  static RawClient tcp(uint16_t port, const std::string& address = "127.0.0.1");
  static RawClient unix_socket(const std::string& path);
  explicit RawClient(int fd) : fd_(fd) {}

  // False when the peer has closed on us.
  bool send(std::string_view bytes);
  // One recv() into the buffer; false at the end.
  bool receive_some();
  // Everything until the peer closes.
  std::string read_to_end();
  // True when the peer closes (or resets) before the 20 seconds are over, whatever it sends.
  bool is_closed_by_peer();

  RawResponse read_response();

  // A WebSocket handshake; 101 on success. `headers`: further header lines, each with its CR LF.
  RawResponse upgrade(std::string_view path, std::string_view host, std::string_view headers);
  bool send_text(std::string_view text) { return send_frame(0x81, text); }
  // first: FIN, RSV and opcode bits.
  bool send_frame(uint8_t first, std::string_view payload, bool is_masked = true);
  RawFrame read_frame();
  // The next text message; pings are answered on the way. Empty when the connection ended.
  std::string read_text();
  // Reads on until a close frame or the end.
  int read_close_code();

  void shutdown_write();
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  bool fill(size_t n_bytes);
  std::string take(size_t n_bytes);
  std::string read_line();

  file::Descriptor fd_;
  std::string buffer_;
};

}  // namespace hearth::testing
