#include "router/needs.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::router {

Needs needs_of(const CompletionRequest& request) {
  const Sampling& sampling = request.sampling;
  const ToolChoice& choice = request.tool_choice;
  const bool has_tools = !request.tools.empty();
  bool has_images = false;
  for (const Message& message : request.messages)
    for (const Block& block : message.blocks)
      has_images = has_images || std::holds_alternative<Image>(block.content);
  auto demands_call = [&] {
    return choice.mode == ToolChoice::Mode::required || choice.mode == ToolChoice::Mode::named;
  };
  const std::pair<Need, bool> asked[] = {
      {Need::tools, has_tools && choice.mode != ToolChoice::Mode::none},
      {Need::images, has_images},
      {Need::bare_prompt, request.prompt.has_value()},
      {Need::tool_choice, demands_call()},
      {Need::one_call, has_tools && choice.parallel == false},
      {Need::json_object, request.response_format.kind == ResponseFormat::Kind::json_object},
      {Need::json_schema, request.response_format.kind == ResponseFormat::Kind::json_schema},
      {Need::top_k, sampling.top_k.value_or(0) != 0},
      {Need::min_p, sampling.min_p.value_or(0) != 0},
      {Need::repeat_penalty, sampling.repeat_penalty.value_or(1) != 1},
      {Need::presence_penalty, sampling.presence_penalty.value_or(0) != 0},
      {Need::frequency_penalty, sampling.frequency_penalty.value_or(0) != 0},
      {Need::seed, sampling.seed.has_value()},
      {Need::logit_bias, !sampling.logit_bias.empty()},
      {Need::stop, !request.stop.empty()},
      {Need::ignore_eos, request.ignore_eos},
      {Need::template_variables, !request.template_variables.text.empty()},
      {Need::grammar, request.response_format.kind == ResponseFormat::Kind::regex ||
                          request.response_format.kind == ResponseFormat::Kind::gbnf ||
                          request.response_format.kind == ResponseFormat::Kind::structural_tag},
      {Need::infill, request.infill.has_value()},
      {Need::logprobs, request.n_logprobs.has_value()},
  };
  Needs needs;
  for (const auto& [need, is_asked] : asked)
    if (is_asked) needs.push_back(need);
  return needs;
}

Needs all_but(const Needs& honoured) {
  Needs rest;
  for (const auto& [need, name] : EnumNames<Need>::names)
    if (std::ranges::count(honoured, need) == 0) rest.push_back(need);
  return rest;
}

std::string why_not(const Needs& needs, const Needs& lacks) {
  std::string fields;
  for (Need need : needs)
    if (std::ranges::count(lacks, need) > 0)
      fields += (fields.empty() ? "" : ", ") + std::string(enum_name(need));
  return fields.empty() ? "" : "cannot honour " + fields;
}

}  // namespace hearth::router
