#include "net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "support/log.h"
#include "support/path.h"

namespace hearth::transport {

namespace {

using file::Descriptor;

constexpr int kBacklog = 512;

// The lock is the descriptor: a holder that dies, however, lets go. The pid in it is for people.
Result<Descriptor> take_lock(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return file::io_error("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file::io_error("lock", path, errno);
    char pid[16] = {};
    ssize_t n = ::pread(fd.get(), pid, sizeof pid - 1, 0);
    return Error{Errc::busy, fmt::format("{}: another daemon is running{}", path,
                                         n > 0 ? fmt::format(" (pid {})", pid) : "")};
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return file::io_error("write", path, errno);
  return fd;
}

Result<Descriptor> listen_on(int family, const sockaddr* address, socklen_t size,
                             const std::string& name) {
  Descriptor fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return file::io_error("make a socket for", name, errno);
  int on = 1;
  if (family != AF_UNIX) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), address, size) != 0) {
    int error = errno;
    Error failure = file::io_error("bind", name, error);
    if (error == EADDRINUSE) failure.code = Errc::busy;
    return failure;
  }
  if (::listen(fd.get(), kBacklog) != 0) return file::io_error("listen on", name, errno);
  return fd;
}

// Called with the lock held, so a socket that lies there has no daemon behind it.
Result<Descriptor> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{Errc::invalid,
                 fmt::format("{}: {} bytes, the kernel takes socket paths of at most {}; point "
                             "XDG_RUNTIME_DIR at a shorter folder",
                             path, path.size(), sizeof address.sun_path - 1)};
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid())
      return Error{
          Errc::denied,
          fmt::format("{}: expected a socket of ours, found something else; remove it", path)};
    ::unlink(path.c_str());
  }
  auto fd = listen_on(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address, path);
  if (fd && ::chmod(path.c_str(), 0600) != 0) return file::io_error("set mode of", path, errno);
  return fd;
}

struct TcpSocket {
  Descriptor fd;
  uint16_t port;
};

Result<TcpSocket> listen_tcp(const std::string& host, uint16_t port) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    storage.ss_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof *v6;
  } else {
    return Error{Errc::invalid, fmt::format("{}: expected 127.0.0.1 or ::1", host)};
  }
  bool is_loopback = storage.ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                                  : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
  if (!is_loopback)
    return Error{
        Errc::denied,
        fmt::format("{}: only loopback addresses are served, since there is no TLS yet and "
                    "the token would travel in the clear; use 127.0.0.1, and ssh -L to "
                    "reach it from elsewhere",
                    host)};
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  auto fd = listen_on(storage.ss_family, address, size, fmt::format("{} port {}", host, port));
  if (!fd) return fd.error();
  if (::getsockname(fd->get(), address, &size) != 0) return file::io_error("name", host, errno);
  uint16_t bound = ntohs(storage.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
  return TcpSocket{std::move(*fd), bound};
}

}  // namespace

Result<Listener> Listener::open(net::any_io_executor executor, ListenOptions options) {
  if (auto own = path::refuse_shared_dir(options.runtime_folder); !own) return own.error();
  if (auto made = path::make_private_dir(options.runtime_folder); !made) return made.error();
  auto lock = take_lock(path::join(options.runtime_folder, "daemon.lock"));
  if (!lock) return lock.error();
  std::string socket_path = path::join(options.runtime_folder, "daemon.sock");
  auto local = listen_unix(socket_path);
  if (!local) return local.error();

  auto tcp = listen_tcp(options.address, options.port);
  if (!tcp && tcp.error().code == Errc::busy && options.port != 0) {
    tcp = listen_tcp(options.address, 0);
    if (tcp)
      log::warn("port is taken by another program, using a free one",
                {{"wanted", options.port}, {"port", tcp->port}});
  }
  if (!tcp) {
    ::unlink(socket_path.c_str());
    return tcp.error();
  }

  int family = options.address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  Acceptor unix_acceptor(executor, net::generic::stream_protocol(AF_UNIX, 0), local->release());
  Acceptor tcp_acceptor(executor, net::generic::stream_protocol(family, IPPROTO_TCP),
                        tcp->fd.release());
  Listener listener(std::move(*lock), std::move(unix_acceptor), std::move(tcp_acceptor));
  listener.socket_path_ = std::move(socket_path);
  listener.host_ = family == AF_INET ? options.address : "[" + options.address + "]";
  listener.port_ = tcp->port;
  return listener;
}

Listener::~Listener() {
  if (lock_) ::unlink(socket_path_.c_str());  // the lock goes last: nobody else has made one yet
}

std::string Listener::url() const { return fmt::format("http://{}:{}", host_, port_); }

Result<Peer> Listener::peer_of(Socket& socket, uint16_t tcp_port) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return file::io_error("name", "socket", errno);
  if (storage.ss_family != AF_UNIX) {
    int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    size = sizeof storage;
    uint16_t port = 0;
    if (::getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) == 0)
      port = ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);  // v6 has it there too
    return Peer{false, tcp_port, fmt::format("tcp port {}", port)};
  }
  ucred who{};
  size = sizeof who;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return file::io_error("get credentials of", "unix socket", errno);
  if (auto admitted = admit_uid(who.uid, ::geteuid()); !admitted) return admitted.error();
  return Peer{true, 0, fmt::format("unix pid {}", who.pid)};
}

Result<> Listener::admit_uid(uid_t peer, uid_t own) {
  if (peer == own || peer == 0) return {};
  return Error{Errc::denied, fmt::format("unix socket: peer has uid {}, expected {}", peer, own)};
}

}  // namespace hearth::transport
