// The local engine as a provider.
#include "router/providers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "support/json.h"

namespace hearth::router {

namespace {

// Reasoning controls are variables of the model's template here; what the client wrote for the
// template itself goes over them.
RawJson template_variables_of(const CompletionRequest& request) {
  const ReasoningControls& asked = request.reasoning;
  json::Object variables;
  if (asked.enabled || asked.effort || asked.budget_tokens)
    variables["enable_thinking"] = asked.enabled.value_or(!asked.is_off());
  if (asked.effort) variables["reasoning_effort"] = enum_name(*asked.effort);
  if (asked.budget_tokens) variables["thinking_budget"] = *asked.budget_tokens;
  if (variables.empty()) return request.template_variables;
  if (auto own = json::parse_value(request.template_variables.text); own && own->is_object())
    for (auto& [name, value] : own->as_object()) variables[name] = value;
  return {boost::json::serialize(variables)};
}

class EngineProvider : public Provider {
 public:
  EngineProvider(engine::EngineClient& engine,
                 std::function<Result<engine::ModelSpec>(const std::string&)> model_spec)
      : engine_(engine), model_spec_(std::move(model_spec)) {}

  TargetState state(const Target& target) const override {
    TargetState state;
    state.lacks = lacks_;
    const engine::ModelState model = engine_.state_of(target.model);
    if (model.gave_up)
      state.down =
          fmt::format("the engine gave up on it ({}); load it again to try", *model.gave_up);
    if (model.switches_thinking)
      state.thinking = model.knows_effort.value_or(false) ? Thinking::by_degrees
                       : *model.switches_thinking         ? Thinking::switched
                                                          : Thinking::fixed;
    // Figures cross from another process: use them only where they make sense.
    const engine::ModelSnapshot& numbers = model.numbers;
    state.n_context = numbers.n_context;
    state.prefill_tokens_per_s = std::clamp(numbers.prefill_tokens_per_s, 0.0, 1e7);
    state.decode_tokens_per_s = std::clamp(numbers.decode_tokens_per_s, 0.0, 1e6);
    if (state.prefill_tokens_per_s > 0)
      state.queue_ms =
          1000.0 * static_cast<double>(numbers.n_prefill_left) / state.prefill_tokens_per_s;
    return state;
  }

  void foresee(const Target& target, const CompletionRequest& request,
               const engine::PromptPoints& points, TargetState& state) const override {
    const auto estimate = engine_.estimate(target.model, request, points);
    if (!estimate) return;
    const auto spread = [](const engine::Band& band) { return Spread{band.mean, band.sd}; };
    state.forecast = Forecast{.n_prompt = estimate->n_prompt,
                              .n_cached = estimate->n_cached,
                              .ttft_ms = spread(estimate->ttft_ms),
                              .token_ms = spread(estimate->token_ms)};
  }

  Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink,
                        Attempt& attempt) override {
    const std::string wrong = why_not(needs_of(request.body), lacks_);
    if (!wrong.empty()) co_return Error{Errc::unsupported, "the engine " + wrong};
    Result<engine::ModelSpec> spec = model_spec_(target.model);
    if (!spec) co_return spec.error();
    CompletionRequest& body = request.body;
    body.template_variables = template_variables_of(body);
    if (body.tool_choice.mode == ToolChoice::Mode::none) body.tools.clear();
    attempt.is_sent = true;
    using Clock = std::chrono::steady_clock;
    DeltaSink noting = [sink = std::move(sink), &attempt,
                        began = Clock::now()](const StreamDelta& delta) {
      if (delta.kind != StreamDelta::Kind::progress) {
        if (!attempt.has_spoken)
          attempt.first_word_ms =
              std::chrono::duration<double, std::milli>(Clock::now() - began).count();
        attempt.has_spoken = true;
      }
      sink(delta);
    };
    Answer answer = co_await engine_.complete(std::move(*spec), std::move(body), std::move(noting));
    if (answer) attempt.usage = answer->usage;
    co_return answer;
  }

 private:
  engine::EngineClient& engine_;
  std::function<Result<engine::ModelSpec>(const std::string&)> model_spec_;
  const Needs lacks_ = {Need::images};
};

}  // namespace

std::unique_ptr<Provider> make_engine_provider(
    engine::EngineClient& engine,
    std::function<Result<engine::ModelSpec>(const std::string& model)> model_spec) {
  return std::make_unique<EngineProvider>(engine, std::move(model_spec));
}

}  // namespace hearth::router
