#include "cli/daemon_http.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace hearth::cli {

namespace {

Task<> fetch_into(std::optional<Result<DaemonReply>>& reply, HttpClient& http,
                  OutboundRequest request) {
  std::string body;
  HttpClient::BodySink keep = [&body](const OutboundResponse&, std::string_view piece) {
    body += piece;
    return true;
  };
  auto head = co_await http.fetch(std::move(request), std::move(keep));
  if (head)
    reply.emplace(DaemonReply{std::move(*head), std::move(body)});
  else
    reply.emplace(head.error());
}

}  // namespace

Result<DaemonReply> post_to_daemon(const transport::Discovery& daemon, std::string_view path,
                                   std::string body, std::vector<std::string> headers) {
  OutboundRequest request;
  request.method = "POST";
  request.url = daemon.url + std::string(path);
  headers.push_back("authorization: Bearer " + daemon.token);
  headers.push_back("content-type: application/json");
  request.headers = std::move(headers);
  request.body = std::move(body);
  request.stall_timeout = std::chrono::hours(1);
  net::io_context loop(1);
  // To this machine's own daemon, which keeps the books.
  HttpClient http(loop.get_executor(), [](const Egress&) {});
  std::optional<Result<DaemonReply>> reply;
  auto fetched = net::co_spawn(loop, fetch_into(reply, http, std::move(request)), net::use_future);
  loop.run();  // until nothing is left to wait for
  fetched.get();
  return std::move(*reply);
}

}  // namespace hearth::cli
