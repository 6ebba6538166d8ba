// What a request asks for beyond a plain conversation, and who cannot give it.
//
// The router keeps a request from a target that would pass over part of it: nothing that a client
// asked for is ever silently left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "support/record.h"

namespace hearth::router {

enum class Need : uint8_t {
  tools,
  images,
  bare_prompt,  // no template: a text to continue
  tool_choice,  // a call is demanded
  one_call,     // at most one call in an answer
  json_object,  // the answer is some JSON object
  json_schema,  // the answer fits a schema
  top_k,
  min_p,
  repeat_penalty,
  presence_penalty,
  frequency_penalty,
  seed,
  logit_bias,
  stop,  // texts that end the answer
  ignore_eos,
  template_variables,
  grammar,   // the answer fits a regular expression or a grammar
  infill,    // a gap to fill
  logprobs,  // probabilities of tokens
};

}  // namespace hearth::router

namespace hearth {
// As clients write them, since that is where these names are read.
template <>
struct EnumNames<router::Need> {
  using N = router::Need;
  static constexpr std::pair<N, std::string_view> names[] = {
      {N::tools, "tools"},
      {N::images, "images"},
      {N::bare_prompt, "prompt"},
      {N::tool_choice, "tool_choice"},
      {N::one_call, "parallel_tool_calls"},
      {N::json_object, "response_format.json_object"},
      {N::json_schema, "response_format.json_schema"},
      {N::top_k, "top_k"},
      {N::min_p, "min_p"},
      {N::repeat_penalty, "repetition_penalty"},
      {N::presence_penalty, "presence_penalty"},
      {N::frequency_penalty, "frequency_penalty"},
      {N::seed, "seed"},
      {N::logit_bias, "logit_bias"},
      {N::stop, "stop"},
      {N::ignore_eos, "ignore_eos"},
      {N::template_variables, "chat_template_kwargs"},
      {N::grammar, "grammar"},
      {N::infill, "suffix"},
      {N::logprobs, "logprobs"},
  };
};
}  // namespace hearth

namespace hearth::router {

using Needs = std::vector<Need>;  // each at most once, in the order of the enumerators

// A value that changes nothing (a penalty of 0) is no need.
Needs needs_of(const CompletionRequest& request);

// All needs but these.
Needs all_but(const Needs& honoured);

// What is asked for and lacking, as a sentence's end: "cannot honour seed, top_k"; "" when nothing
// is.
std::string why_not(const Needs& needs, const Needs& lacks);

}  // namespace hearth::router
