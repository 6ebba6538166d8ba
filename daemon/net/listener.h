// Where the daemon can be reached: a Unix socket in an owner-only folder and a loopback TCP port.
//
// A lock file beside the socket (flock, so that it dies with its holder) decides who is the daemon;
// only its holder removes a stale socket. Lives on the loop thread; owned by main, moved into
// HttpServer::serve.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "net/socket.h"
#include "support/file.h"
#include "support/result.h"

namespace hearth::transport {

inline constexpr uint16_t kDefaultPort = 48620;

struct ListenOptions {
  std::string runtime_folder;         // made with mode 0700; holds daemon.sock and daemon.lock
  std::string address = "127.0.0.1";  // loopback only
  uint16_t port = kDefaultPort;       // taken: another free one; 0: any free one
};

class Listener {
 public:
  using Acceptor = net::basic_socket_acceptor<net::generic::stream_protocol>;

  // Errc::busy when another daemon holds the lock (the message has its pid), Errc::denied for an
  // address that is not loopback or a folder that others may write.
  static Result<Listener> open(net::any_io_executor executor, ListenOptions options);
  Listener(Listener&&) = default;
  ~Listener();  // stops accepting and removes the socket file

  uint16_t port() const { return port_; }
  const std::string& socket_path() const { return socket_path_; }
  std::string url() const;  // http://127.0.0.1:48620

  Acceptor& unix_acceptor() { return unix_; }
  Acceptor& tcp_acceptor() { return tcp_; }

  // Who connected; on the Unix socket Errc::denied unless it is our own uid (or root).
  static Result<Peer> peer_of(Socket& socket, uint16_t tcp_port);
  static Result<> admit_uid(uid_t peer, uid_t own);

 private:
  Listener(file::Descriptor lock, Acceptor unix_acceptor, Acceptor tcp_acceptor)
      : lock_(std::move(lock)), unix_(std::move(unix_acceptor)), tcp_(std::move(tcp_acceptor)) {}

  file::Descriptor lock_;
  Acceptor unix_;
  Acceptor tcp_;
  std::string socket_path_;
  std::string host_;
  uint16_t port_ = 0;
};

}  // namespace hearth::transport
