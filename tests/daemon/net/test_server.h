// A whole server in the test's process: own folders, free port, one loop thread; the test's thread
// plays the clients.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "net/http_server.h"
#include "support/raw_client.h"

namespace hearth::transport {

using ::hearth::testing::RawClient;
using ::hearth::testing::RawFrame;
using ::hearth::testing::RawResponse;

// Removed with everything in it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

// The loop thread.
class TestLoop {
 public:
  TestLoop();
  ~TestLoop();
  net::any_io_executor executor() { return context_.get_executor(); }

  // Runs `function` on the loop thread and waits for it.
  template <class Function>
  auto call(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto done = task.get_future();
    net::post(context_, [&task] { task(); });
    return done.get();
  }

  template <class T>
  T wait(Task<T> task) {
    return net::co_spawn(context_, std::move(task), net::use_future).get();
  }

 private:
  net::io_context context_{1};
  net::executor_work_guard<net::io_context::executor_type> work_;
  std::thread thread_;
};

class TestServer {
 public:
  // `add_routes` runs before the first connection is accepted.
  explicit TestServer(std::function<void(HttpServer&)> add_routes = {}, HttpOptions options = {},
                      GateOptions gate = {});
  ~TestServer();

  RawClient connect() { return RawClient::tcp(port_); }
  RawClient connect_unix() { return RawClient::unix_socket(socket_path_); }
  // A head for `path` with the right Host and token. `extra`: further header lines with CR LF.
  std::string request(const std::string& method, const std::string& path,
                      const std::string& extra = "", const std::string& body = "") const;
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string bearer() const { return "Authorization: Bearer " + token_->text() + "\r\n"; }

  // Sends it on a connection of its own.
  RawResponse exchange(const std::string& bytes);

  void stop(std::chrono::milliseconds drain = std::chrono::milliseconds(0));
  HttpServer& server() { return *server_; }
  Token& token() { return *token_; }
  ClientTokens& clients() { return clients_; }  // of the loop thread
  TestLoop& loop() { return loop_; }
  uint16_t port() const { return port_; }

 private:
  TestFolder folder_;
  TestLoop loop_;
  std::optional<Token> token_;
  ClientTokens clients_{folder_.path("state/tokens.json")};
  std::optional<Gate> gate_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
  std::string socket_path_;
};

}  // namespace hearth::transport
