#include "service/token_count.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

namespace hearth {

Task<std::optional<uint32_t>> count_prompt(engine::EngineClient& engine, engine::ModelSpec spec,
                                           CompletionRequest request) {
  using namespace net::experimental::awaitable_operators;
  net::steady_timer counted(co_await net::this_coro::executor,
                            net::steady_timer::time_point::max());
  std::optional<uint32_t> n_prompt;
  // The engine tells the length of the prompt before it reads it.
  DeltaSink sink = [&](const StreamDelta& delta) {
    if (delta.kind == StreamDelta::Kind::progress) n_prompt = delta.n_prompt;
    counted.expires_at(net::steady_timer::time_point::min());
  };
  request.max_tokens = 1;
  auto answering = engine.complete(std::move(spec), std::move(request), std::move(sink));
  auto counting = counted.async_wait(as_result);
  auto race = std::move(answering) || std::move(counting);
  auto first = co_await std::move(race);
  auto* answer = std::get_if<Answer>(&first);
  const bool is_overflow = answer && !*answer && answer->error().n_prompt > 0;
  if (is_overflow) n_prompt = answer->error().n_prompt;
  co_return n_prompt;
}

}  // namespace hearth
