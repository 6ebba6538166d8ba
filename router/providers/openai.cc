// Sends a completion to a provider that speaks OpenAI's chat wire.
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>

#include "providers/openai_wire.h"
#include "providers/sse.h"
#include "providers/table.h"
#include "router/http_client.h"
#include "router/providers.h"
#include "support/file.h"

namespace hearth::router {

namespace {

constexpr size_t kMaxErrorBody = 64 << 10;

struct Endpoint {
  std::string url;
  std::string key;  // "" where none is needed
};

// From the target's variable or 0600 file, else the provider's own variable. Never logged.
Result<std::string> key_of(const Target& target, const ProviderRow* row) {
  if (!target.key_file.empty()) {
    struct stat info {};
    if (::stat(target.key_file.c_str(), &info) == 0 && (info.st_mode & 077) != 0)
      return Error{Errc::denied, fmt::format("{}: others can read this key file; run: chmod 600 {}",
                                             target.key_file, target.key_file)};
    auto text = file::read(target.key_file, 64 << 10);
    if (!text) return text.error();
    while (text->ends_with('\n') || text->ends_with('\r') || text->ends_with(' ')) text->pop_back();
    return text;
  }
  std::string variable = target.key_env.empty() && row ? std::string(row->key_env) : target.key_env;
  if (variable.empty()) return std::string();
  const char* value = std::getenv(variable.c_str());
  if (!value || !*value)
    return Error{Errc::denied, fmt::format("target {} needs a key: set {} in the daemon's environment, or key_file in hearth.toml",
                                           target.name, variable)};
  return std::string(value);
}

Result<Endpoint> endpoint_of(const Target& target) {
  const ProviderRow* row = find_provider(target.provider);
  std::string base(target.base_url.empty() && row ? row->base_url : std::string_view(target.base_url));
  if (base.empty())
    return Error{Errc::invalid, fmt::format("target {}: provider \"{}\" is not known here; give it a base_url",
                                            target.name, target.provider)};
  auto key = key_of(target, row);
  if (!key) return key.error();
  while (base.ends_with('/')) base.pop_back();
  return Endpoint{base + "/chat/completions", std::move(*key)};
}

class OpenAiProvider : public Provider {
 public:
  explicit OpenAiProvider(net::any_io_executor executor) : http_(executor) {}

  Task<Result<Completion>> complete(const Target& target, CompletionRequest request, DeltaSink sink,
                                    Refusal*) override {
    if (request.prompt)
      co_return Error{Errc::unsupported, fmt::format("target {} takes conversations, not bare prompts", target.name)};
    auto endpoint = endpoint_of(target);
    if (!endpoint) co_return endpoint.error();

    OutboundRequest outbound;
    outbound.method = "POST";
    outbound.url = endpoint->url;
    outbound.headers = {"content-type: application/json", "accept: text/event-stream"};
    if (!endpoint->key.empty()) outbound.headers.push_back("authorization: Bearer " + endpoint->key);
    outbound.body = openai::chat_body(target, request);

    using Clock = std::chrono::steady_clock;
    const Clock::time_point sent = Clock::now();
    std::optional<Clock::time_point> first_byte;
    openai::StreamReader reader(std::move(sink));
    Result<> heard;
    SseParser events([&](std::string_view, std::string_view data) {
      if (heard) heard = reader.hear(data);
    });
    std::string error_body;
    HttpClient::BodySink on_body = [&](const OutboundResponse& head, std::string_view piece) {
      if (!first_byte) first_byte = Clock::now();
      if (head.status >= 300) {
        error_body.append(piece.substr(0, kMaxErrorBody - std::min(kMaxErrorBody, error_body.size())));
        return true;
      }
      if (auto fed = events.feed(piece); !fed && heard) heard = fed.error();
      return bool(heard);
    };
    auto response = co_await http_.fetch(std::move(outbound), std::move(on_body));
    if (!heard) co_return heard.error();
    if (!response) co_return response.error();
    if (response->status >= 300)
      co_return openai::error_of(target, response->status, error_body, response->header("retry-after"));
    auto completion = reader.finish(target.provider);
    if (!completion) co_return completion.error();
    auto ms = [](Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); };
    completion->timings.prefill_ms = ms(first_byte.value_or(sent) - sent);
    completion->timings.decode_ms = ms(Clock::now() - first_byte.value_or(sent));
    completion->message.model = target.model;
    co_return completion;
  }

 private:
  HttpClient http_;
};

}  // namespace

std::unique_ptr<Provider> make_remote_provider(net::any_io_executor executor) {
  return std::make_unique<OpenAiProvider>(executor);
}

}  // namespace hearth::router
