#include "router/router.h"

#include <algorithm>

#include "support/log.h"

namespace hearth::router {

namespace {

void add_labels(const Policy& policy, RouteRequest& request) {
  for (Message& message : request.body.messages)
    for (Block& block : message.blocks) {
      block.labels = labels_of(policy, block);
      for (const std::string& label : block.labels)
        if (std::ranges::count(request.facts.labels, label) == 0)
          request.facts.labels.push_back(label);
    }
}

void add_needs(RouteRequest& request) {
  RequestFacts& facts = request.facts;
  facts.n_prompt_estimate = estimate_tokens(request.body);
  facts.max_tokens = request.body.max_tokens;
  facts.needs_tools = !request.body.tools.empty();
  facts.is_bare_prompt = request.body.prompt.has_value();
  for (const Message& message : request.body.messages)
    for (const Block& block : message.blocks)
      facts.needs_images = facts.needs_images || std::holds_alternative<Image>(block.content);
}

}  // namespace

uint64_t estimate_tokens(const CompletionRequest& request) {
  size_t n_bytes = request.prompt ? request.prompt->size() : 0;
  for (const Message& message : request.messages) {
    n_bytes += 8;  // role and turn markers
    for (const Block& block : message.blocks) {
      if (auto* text = std::get_if<Text>(&block.content)) n_bytes += text->text.size();
      if (auto* call = std::get_if<ToolCall>(&block.content)) n_bytes += call->arguments.size();
      if (auto* result = std::get_if<ToolResult>(&block.content)) n_bytes += result->text.size();
      if (auto* thought = std::get_if<Reasoning>(&block.content)) n_bytes += thought->text.size();
    }
  }
  for (const ToolSpec& tool : request.tools)
    n_bytes += tool.name.size() + tool.description.size() + tool.parameters.text.size();
  return n_bytes / 4 + 1;
}

std::vector<TargetState> Router::states(const Policy& policy) const {
  std::vector<TargetState> states(policy.targets.size());
  engine::SnapshotData snapshot = services_.engine.snapshot();
  for (size_t i = 0; i < states.size(); ++i) {
    if (policy.targets[i].kind != TargetKind::engine) continue;
    // Figures cross from another process: use them only where they make sense.
    double prefill = std::clamp(snapshot.prefill_tokens_per_s, 0.0, 1e7);
    states[i].prefill_tokens_per_s = prefill;
    states[i].decode_tokens_per_s = std::clamp(snapshot.decode_tokens_per_s, 0.0, 1e6);
    if (prefill > 0)
      states[i].queue_ms = 1000.0 * static_cast<double>(snapshot.n_prefill_left) / prefill;
  }
  return states;
}

Task<Result<Completion>> Router::complete(RouteRequest request, DeltaSink sink,
                                          std::function<void(const Decision&)> on_decision,
                                          Refusal* refusal) {
  std::shared_ptr<const Policy> policy = services_.policy();
  add_labels(*policy, request);
  add_needs(request);
  Result<Decision> decided = decide(request.facts, *policy, states(*policy));
  Decision decision;
  if (decided) {
    decision = std::move(*decided);
  } else {  // an unknown model leaves a record too
    decision.id = request.facts.id;
    decision.reason = decided.error().message;
  }
  log::info("routed", {{"request", decision.id},
                       {"target", decision.target.empty() ? "-" : decision.target},
                       {"reason", decision.reason}});
  if (on_decision) on_decision(decision);
  if (!decided) co_return decided.error();
  if (decision.target.empty()) co_return Error{Errc::denied, decision.reason};

  auto at = std::ranges::find(policy->targets, decision.target, &Target::name);
  const Target& target = *at;
  if (target.kind == TargetKind::api)
    co_return co_await services_.remote.complete(target, std::move(request.body), std::move(sink),
                                                 refusal);
  Result<engine::ModelSpec> spec = services_.model_spec(target.model);
  if (!spec) co_return spec.error();
  co_return co_await services_.engine.complete(std::move(*spec), std::move(request.body),
                                               std::move(sink), refusal);
}

}  // namespace hearth::router
