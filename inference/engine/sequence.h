// One request's state in the engine: its tokens, the pages they lie in, how the next one is picked
// and what of the text has been shown.
//
// Made on the preparer's thread; lives on the engine thread, owned by the Scheduler of its model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/clock.h"
#include "engine/loaded_model.h"
#include "engine/recent_answers.h"
#include "engine/text_stream.h"
#include "grammar/grammar.h"
#include "inference/engine_messages.h"
#include "inference/forecast.h"
#include "sampler/sampler.h"

namespace hearth::engine {

struct Sequence {
  uint64_t request = 0;
  std::vector<Token> tokens;  // prompt, then answer
  uint32_t n_prompt = 0;
  uint32_t n_lasting = 0;     // of the prompt: what prompts that go on from it begin with
  bool begins_turn = true;    // a user spoke last
  uint32_t n_max_answer = 0;  // what max_tokens and the context leave

  uint32_t n_computed = 0;                  // tokens whose keys and values are in `pages`
  std::vector<PageIndex> pages{};           // each with a reference of ours
  size_t first_window = 0, end_window = 0;  // pages of which we hold the window part, too

  Sampler sampler;
  TextStream stream;
  std::optional<grammar::Matcher> matcher{};  // nothing: any token may come
  std::string left_out{};                     // of what the request demands; "": nothing
  std::optional<uint32_t> n_logprobs{};
  // The prompt as the beginning of the answer.
  struct Echo {
    uint32_t begin = 0;   // tokens before it are not told
    uint32_t n_told = 0;  // those included
    bool is_scored = false;
    std::string bytes{};  // the cut-off end of a UTF-8 sequence
  };
  std::optional<Echo> echo{};  // until all of it is told
  std::string lane{};
  bool explains_cache = false;
  std::optional<CacheDivergence> divergence{};

  PromptPoints points{};               // of the prompt, for those who forecast
  std::vector<TextShape> shapes{};     // of what lies before each point
  std::optional<Message> answer{};     // what a conversation goes on with; null after a bare prompt
  std::optional<Exchange> exchange{};  // to be remembered with its answer
  double prepare_ms = 0;               // rendering and tokenizing

  Usage usage{};
  bool was_accepted = false;  // Accepted has been sent
  bool is_prompt_read = false;
  TimePoint arrived{}, started{}, first_token{}, last_progress{};

  uint32_t n_to_compute() const { return static_cast<uint32_t>(tokens.size()) - n_computed; }
  // Decoding: only the newest token is left. All else is reading (a prompt, or what was preempted).
  bool is_decoding() const { return n_to_compute() == 1; }
  // Whether the row of this token wants logits: to pick the next one, or to score it.
  bool wants_logits(size_t position) const {
    return position + 1 == tokens.size() || (is_scoring() && position + 1 >= echo->n_told);
  }
  bool is_scoring() const { return echo && echo->is_scored; }
  Timings timings(TimePoint now) const;
};

// Why a request cannot even start; the numbers are set on context_exceeded.
struct Refusal {
  Error error;
  uint32_t n_prompt = 0;
  uint32_t n_context = 0;
};

// Renders, tokenizes and checks a request. Null with `refusal` filled when it cannot be answered.
// The prompt is never shortened: one that leaves no room for an answer is context_exceeded.
std::unique_ptr<Sequence> make_sequence(const Generate& request, const LoadedModel& model,
                                        TimePoint now, int64_t unix_time_s, Refusal& refusal);

}  // namespace hearth::engine
