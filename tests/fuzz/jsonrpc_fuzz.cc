// Lines -> messages of one client of the JSON-RPC connection. Every answer must be JSON-RPC itself.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "net/ws_connection.h"
#include "support/json.h"
#include "support/log.h"

using namespace hearth;
using namespace hearth::transport;

namespace {

struct Everything {
  std::string text;
  std::optional<int64_t> number;
  std::vector<double> list;
  std::map<std::string, bool> map;
  RawJson raw;
  static void fields(auto& self, auto&& field) {
    field("text", self.text);
    field("number", self.number);
    field("list", self.list);
    field("map", self.map);
    field("raw", self.raw);
  }
};

Task<Result<Everything>> echo(jsonrpc::Call, Everything everything) { co_return everything; }

// The next line of the input is the next message; answers are checked and dropped.
class ScriptedSocket final : public WebSocket {
 public:
  explicit ScriptedSocket(std::string_view script) : script_(script) {}

  Task<Result<std::string>> receive() override {
    auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);  // lets the answers go first
    Error over{Errc::cancelled, "the script is over"};
    if (script_.empty()) co_return over;
    size_t end = script_.find('\n');
    std::string line(script_.substr(0, end));
    script_.remove_prefix(end == std::string_view::npos ? script_.size() : end + 1);
    co_return line;
  }

  void close_after(std::function<bool()>) override {}

  Task<Result<>> send(std::shared_ptr<const std::string> text) override {
    auto reply = json::Document::parse(*text, 2 * json::kMaxDepth);
    std::string_view version;
    if (!reply || reply->root()["jsonrpc"].get_string().get(version) || version != "2.0")
      std::abort();
    co_return Result<>{};
  }

  void close(uint16_t, std::string) override { script_ = {}; }

 private:
  std::string_view script_;
};

// An exception that gets this far is a finding.
void abort_on_failure(std::exception_ptr failure) {
  if (failure) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  log::set_level(log::Level::error);
  jsonrpc::Dispatcher dispatcher;
  bind_life_methods(dispatcher);
  dispatcher.bind<Everything, Everything>("echo", echo);
  RpcOptions options;
  ScriptedSocket socket(std::string_view(reinterpret_cast<const char*>(data), size));
  net::io_context context(1);
  net::co_spawn(context, serve_rpc(dispatcher, options, HttpRequest{}, socket), abort_on_failure);
  context.run();
  return 0;
}
