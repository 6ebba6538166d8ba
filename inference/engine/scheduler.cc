// What happens in a step, and why.
//
// Problem: several requests share one pool of KV pages and one device that computes 200 rows nearly
// as fast as one (decoding is bound by reading the weights), yet a long prompt must not freeze the
// answers of others.
//
// Idea: every step is one forward pass over a ragged batch.
//   admit   Oldest waiting first, as long as its whole prompt finds pages (less what the prefix
//           cache already has, to the token). What does not fit waits; nobody is refused.
//   grow    A decoding sequence that filled its last page gets another. When there is none, the
//           youngest running sequence goes back to the queue; its pages stay in the prefix cache,
//           so that little is computed twice. The oldest always advances.
//   plan    One row for every decoding sequence, then prompts, oldest first, up to kStepRows rows.
//           Beside decoding, prompts get only as many rows as take about as long as the decoding
//           itself: the gap between two tokens of others at most doubles. Without others a step
//           ends within kLongestStepSeconds, so that a cancellation is soon seen.
//           Layers with windows keep the pages that a sequence's window reaches, and no others.
//           Of a recurrent model's prompt, what the next turn's begins with is a step's end: its
//           state is kept there.
//   deliver The token of each row that wanted logits is picked and its text goes out.
// Results do not depend on any of this: the forward pass computes each row from its own sequence
// only, bit for bit, however the work is cut.
//
// Cost: planning is linear in running sequences and pages, microseconds beside a forward pass.
//
// Source: iteration-level scheduling of Orca (Yu et al., 2022), preemption by recomputation of vLLM
// (Kwon et al., 2023), chunked prefill of Sarathi (Agrawal et al., 2023).
#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/utf8.h"

namespace hearth::engine {

namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(500);
constexpr double kLongestStepSeconds = 0.25;     // how long a cancellation may have to wait
constexpr uint32_t kLeastPrefillRows = 16;       // fewer waste the weights that a pass reads
constexpr uint32_t kPrefillRowsUnmeasured = 32;  // beside decoding, before speeds are known
constexpr size_t kEchoBytes = 64 << 10;          // of one delta

}  // namespace

Scheduler::Scheduler(LoadedModel& model, Clock clock, Emit emit, Snapshot* snapshot)
    : model_(model),
      clock_(std::move(clock)),
      emit_(std::move(emit)),
      beat_(snapshot ? &snapshot->beat : nullptr),
      prompts_(model.name, model.prefixes, snapshot ? &snapshot->prefixes : nullptr) {}

void Scheduler::submit(std::unique_ptr<Sequence> sequence) {
  waiting_.push_back(std::move(sequence));
}

bool Scheduler::cancel(uint64_t request) {
  auto is_it = [&](const auto& sequence) { return sequence->request == request; };
  if (auto at = std::ranges::find_if(running_, is_it); at != running_.end()) {
    finish(**at, FinishReason::cancelled);
    return true;
  }
  auto at = std::ranges::find_if(waiting_, is_it);
  if (at == waiting_.end()) return false;
  finish(**at, FinishReason::cancelled);
  return true;
}

void Scheduler::cancel_lane(const std::string& lane) {
  std::vector<uint64_t> older;
  for (const auto& sequence : running_)
    if (sequence->lane == lane) older.push_back(sequence->request);
  for (const auto& sequence : waiting_)
    if (sequence->lane == lane) older.push_back(sequence->request);
  for (uint64_t request : older) cancel(request);
}

void Scheduler::fail_all(const Error& error) {
  while (!running_.empty()) fail(*running_.front(), error, true);
  while (!waiting_.empty()) fail(*waiting_.front(), error, true);
}

void Scheduler::step() {
  admit();
  grow_decoding();
  std::vector<Share> shares = plan();
  while (!hold_windows(shares)) {
    // Alone it would meet the same again, whenever it came back.
    if (running_.size() == 1)
      fail(*running_.front(), {Errc::internal, "the windows of one sequence are too many"}, true);
    else
      preempt_youngest();
    shares = plan();
  }
  if (shares.empty()) return;
  // Beyond this point the batch is fixed.
  const TimePoint begun = clock_();
  const Result<> computed = forward(shares);
  // Steps that score are none to foretell others by.
  const bool is_usual =
      std::ranges::none_of(shares, [](const Share& each) { return each.sequence->is_scoring(); });
  speed_.add(work_of(shares), is_usual ? milliseconds_between(begun, clock_()) / 1000 : 0);

  if (computed)
    advance(shares);
  else if (shares.size() == 1)
    fail(*shares.front().sequence, computed.error(), false);
  else
    compute_alone(shares);
}

void Scheduler::admit() {
  while (!waiting_.empty() && running_.size() < kMaxRunning) {
    Sequence& sequence = *waiting_.front();
    if (!reserve_prompt(sequence)) return;
    if (!sequence.was_accepted) {
      sequence.was_accepted = true;
      sequence.divergence = divergence_of(sequence);
      sequence.started = sequence.last_progress = clock_();
      sequence.usage.n_cached = sequence.n_computed;
      // Before anything else is told: it stands in the head of the answer.
      if (!sequence.left_out.empty())
        emit_(Delta{sequence.request,
                    {.kind = StreamDelta::Kind::progress,
                     .text = sequence.left_out,
                     .n_done = sequence.n_computed,
                     .n_prompt = sequence.n_prompt}});
      emit_(Accepted{sequence.request, sequence.n_prompt, sequence.n_computed});
    }
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

// Prompts that have nothing to do with each other begin alike, too, as their template does: less
// than a page is told to those alone who ask, and so is what stood there, which is another
// request's text.
std::optional<CacheDivergence> Scheduler::divergence_of(const Sequence& sequence) const {
  constexpr size_t kShown = 12;  // tokens of each side
  const auto fork = model_.prefixes.fork_of(sequence.tokens);
  if (!fork || (fork->position < kPageTokens && !sequence.explains_cache)) return std::nullopt;
  const auto text = [&](std::span<const Token> tokens) {
    return model_.tokenizer->decode(tokens.first(std::min(kShown, tokens.size())), true);
  };
  return CacheDivergence{.position = static_cast<uint32_t>(fork->position),
                         .cached = sequence.explains_cache ? text(fork->known) : "",
                         .prompt = text(std::span(sequence.tokens).subspan(fork->position))};
}

// Pages for all tokens of a sequence, shared ones first. At least one token is left to compute: its
// logits are what the answer begins with. So are those whose logits score the prompt.
bool Scheduler::reserve_prompt(Sequence& sequence) {
  if (!running_.empty() && !has_windows_for(sequence)) return false;
  size_t n_shareable = sequence.tokens.size() - 1;
  if (sequence.is_scoring())
    n_shareable = std::min<size_t>(n_shareable, std::max(sequence.echo->n_told, 1u) - 1);
  std::span<const Token> shareable = std::span(sequence.tokens).first(n_shareable);
  for (;;) {
    Prefix prefix = model_.prefixes.find(shareable);
    const size_t n_in_part = prefix.n_tokens % kPageTokens;
    shareable = shareable.first(prefix.n_tokens - n_in_part);
    if (take_pages(sequence, std::move(prefix))) return true;
    // A page that is copied is in use meanwhile: without it there may be room.
    if (n_in_part == 0 || !has_pages_for(sequence)) return false;
  }
}

bool Scheduler::take_pages(Sequence& sequence, Prefix prefix) {
  sequence.pages = std::move(prefix.pages);
  sequence.first_window = prefix.first_window;
  sequence.end_window = sequence.pages.size();
  sequence.n_computed = static_cast<uint32_t>(prefix.n_tokens);
  const size_t n_all = pages_for(sequence.tokens.size());
  if (has_pages_for(sequence))
    while (sequence.pages.size() < n_all) {
      std::optional<PageIndex> page = model_.prefixes.acquire();
      if (!page) break;
      sequence.pages.push_back(*page);
    }
  if (sequence.pages.size() == n_all && own_end(sequence)) return true;
  release_pages(sequence, false);
  return false;
}

// Where the shared beginning ends within a page, the sequence goes on in a copy of it.
bool Scheduler::own_end(Sequence& sequence) {
  if (sequence.n_computed % kPageTokens == 0) return true;
  PageIndex& page = sequence.pages[sequence.n_computed / kPageTokens];
  const std::optional<PageIndex> own = model_.prefixes.acquire();
  if (!own) return false;
  if (!model_.prefixes.hold_window(*own)) {
    model_.cache.release(*own);
    return false;
  }
  model_.cache.copy(page, *own);
  model_.cache.release_window(page);
  model_.cache.release(page);
  page = *own;
  return true;
}

// Kept prefixes give way, pages of running sequences do not. A page that two of them share counts
// twice here, so a sequence may wait a little longer than needed, never for ever.
bool Scheduler::has_pages_for(const Sequence& newcomer) const {
  size_t n_held = pages_for(newcomer.tokens.size());
  for (const auto& running : running_) n_held += running->pages.size();
  return n_held <= model_.cache.n_pages() || running_.empty();
}

// Whether the window parts suffice for another sequence beside those that run, whatever they do.
bool Scheduler::has_windows_for(const Sequence& newcomer) const {
  const uint32_t most = windows_per_sequence(model_.cache.shape());
  if (most == 0 || model_.cache.n_windows() >= model_.cache.n_pages()) return true;
  const auto windows_of = [&](const Sequence& sequence) {
    return std::min<size_t>(most, pages_for(size_t{sequence.n_prompt} + sequence.n_max_answer));
  };
  size_t n_needed = windows_of(newcomer);
  for (const auto& running : running_) n_needed += windows_of(*running);
  return n_needed <= model_.cache.n_windows();
}

void Scheduler::grow_decoding() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence* sequence = running_[i].get();
    while (i < running_.size() && sequence->pages.size() < pages_for(sequence->tokens.size())) {
      if (std::optional<PageIndex> page = model_.prefixes.acquire())
        sequence->pages.push_back(*page);
      else
        preempt_youngest();  // possibly this very one
    }
  }
}

// The window parts of the pages that this step computes. False when there are too few, which can
// only be while several sequences run.
bool Scheduler::hold_windows(std::span<const Share> shares) {
  for (const auto& [sequence, n_rows] : shares) {
    const size_t end = pages_for(sequence->n_computed + n_rows);
    for (; sequence->end_window < end; ++sequence->end_window)
      if (!model_.prefixes.hold_window(sequence->pages[sequence->end_window])) return false;
  }
  return true;
}

// Those that no token to come sees, nor one that would go on from the last whole page but one: the
// prefix tree may want to keep what that takes.
void Scheduler::let_windows_go(Sequence& sequence) {
  const uint32_t window = model_.cache.shape().window();
  const size_t n_whole = sequence.n_computed / kPageTokens;
  const size_t first =
      first_page_of_window(window, (n_whole - std::min<size_t>(n_whole, 1)) * kPageTokens);
  for (; sequence.first_window < std::min(first, sequence.end_window); ++sequence.first_window)
    model_.cache.release_window(sequence.pages[sequence.first_window]);
}

void Scheduler::preempt_youngest() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  release_pages(*sequence, true);
  waiting_.push_front(std::move(sequence));
}

std::vector<Scheduler::Share> Scheduler::plan() const {
  std::vector<Share> shares;
  for (const auto& sequence : running_)
    if (sequence->is_decoding()) shares.push_back({sequence.get(), 1});
  const uint32_t n_decoding = static_cast<uint32_t>(shares.size());
  uint32_t left = std::min(kStepRows - n_decoding, prefill_rows(n_decoding > 0));
  uint32_t left_scored = kScoredRows;
  for (const auto& sequence : running_) {
    if (sequence->is_decoding() || left == 0) continue;
    uint32_t n_rows = std::min(left, sequence->n_to_compute());
    if (sequence->n_computed < sequence->n_lasting)
      n_rows = std::min(n_rows, sequence->n_lasting - sequence->n_computed);
    if (sequence->is_scoring()) {
      n_rows = std::min(n_rows, left_scored);
      left_scored -= n_rows;
      if (n_rows == 0) continue;
    }
    shares.push_back({sequence.get(), n_rows});
    left -= n_rows;
  }
  return shares;
}

uint32_t Scheduler::prefill_rows(bool is_beside_decoding) const {
  const double seconds = is_beside_decoding ? speed_.decode_step_s() : kLongestStepSeconds;
  const double rows = speed_.prefill_tokens_per_s() * seconds;
  if (rows <= 0) return is_beside_decoding ? kPrefillRowsUnmeasured : kStepRows;
  return static_cast<uint32_t>(std::clamp<double>(rows, kLeastPrefillRows, kStepRows));
}

StepWork Scheduler::work_of(std::span<const Share> shares) {
  StepWork work;
  for (const auto& [sequence, n_rows] : shares) {
    const double n = n_rows, seen = n * (sequence->n_computed + (n + 1) / 2);
    (sequence->is_decoding() ? work.decode_rows : work.prefill_rows) += n;
    (sequence->is_decoding() ? work.decode_context : work.prefill_context) += seen;
    work.wants_logits = work.wants_logits || n_rows == sequence->n_to_compute();
  }
  return work;
}

Result<> Scheduler::forward(std::span<const Share> shares) {
  rows_.clear();
  tables_.resize(shares.size());
  for (uint32_t s = 0; s < shares.size(); ++s) {
    const Sequence& sequence = *shares[s].sequence;
    tables_[s] = sequence.pages;
    for (uint32_t i = 0; i < shares[s].n_rows; ++i) {
      uint32_t position = sequence.n_computed + i;
      rows_.push_back({sequence.tokens[position], position, s, sequence.wants_logits(position)});
    }
  }
  return model_.model.forward({rows_, tables_, beat_}, model_.cache, logits_);
}

// One request's numbers went wrong: the others are computed again without it, to the same bits.
void Scheduler::compute_alone(std::span<const Share> shares) {
  for (const Share& share : shares) {
    if (auto computed = forward({&share, 1}); computed)
      advance({&share, 1});
    else
      fail(*share.sequence, computed.error(), false);
  }
}

void Scheduler::advance(std::span<const Share> shares) {
  const size_t row_size = model_.model.plan().n_vocab;
  std::span<float> logits = logits_;
  for (const auto& [sequence, n_rows] : shares) {
    size_t n_scored = 0;  // rows whose logits score the prompt
    for (uint32_t i = 0; i < n_rows; ++i) {
      const uint32_t position = sequence->n_computed + i;
      if (position + 1 < sequence->n_prompt && sequence->wants_logits(position)) ++n_scored;
    }
    sequence->n_computed += n_rows;
    let_windows_go(*sequence);
    if (sequence->n_computed == sequence->n_lasting)
      model_.prefixes.insert(
          std::span(sequence->tokens).first(sequence->n_computed), sequence->pages,
          sequence->first_window,
          sequence->begins_turn ? PrefixTree::End::turn : PrefixTree::End::prompt);
    if (n_scored > 0) tell_prompt(*sequence, logits.first(n_scored * row_size));
    logits = logits.subspan(n_scored * row_size);
    if (sequence->n_to_compute() > 0) {
      report_progress(*sequence);
      continue;
    }
    if (!std::exchange(sequence->is_prompt_read, true)) prompts_.read(*sequence);
    if (sequence->echo) tell_prompt(*sequence, {});
    take_token(*sequence, logits.first(model_.n_vocab));
    logits = logits.subspan(row_size);
  }
}

// More of the prompt as the beginning of the answer: as far as there are logits that score it, or
// all that is left.
void Scheduler::tell_prompt(Sequence& sequence, std::span<const float> logits) {
  Sequence::Echo& echo = *sequence.echo;
  const size_t row_size = model_.model.plan().n_vocab;
  StreamDelta delta;
  size_t n_bytes = 0;
  const auto tell = [&] {
    move_whole_utf8(echo.bytes, delta.text, echo.n_told == sequence.n_prompt);
    if (!delta.text.empty() || !delta.logprobs.empty())
      emit_(Delta{sequence.request, std::exchange(delta, {})});
    n_bytes = 0;
  };
  const auto add = [&](std::optional<TokenLogprob> logprob) {
    const std::span<const Token> token = std::span(sequence.tokens).subspan(echo.n_told, 1);
    // A text's first token may have a space that stands for none.
    const bool is_first = echo.n_told == echo.begin;
    const std::string piece = is_first ? model_.tokenizer->decode(token, true)
                                       : model_.tokenizer->piece(token.front(), true);
    echo.bytes += piece;
    if (logprob && is_first) logprob->chosen.text = piece;
    if (logprob) delta.logprobs.push_back(std::move(*logprob));
    ++echo.n_told;
    if ((n_bytes += piece.size()) >= kEchoBytes) tell();
  };
  if (echo.is_scored && echo.n_told == 0) {
    const Token first = sequence.tokens.front();
    add(TokenLogprob{.chosen = {first, model_.tokenizer->decode({&first, 1}, true),
                                std::numeric_limits<float>::quiet_NaN()},
                     .top = {}});
  }
  for (; !logits.empty(); logits = logits.subspan(row_size)) {
    logprobs_.look(logits.first(model_.n_vocab), *sequence.n_logprobs);
    add(logprob_of(sequence, sequence.tokens[echo.n_told]));
  }
  while (!echo.is_scored && echo.n_told < sequence.n_prompt) add(std::nullopt);
  tell();
  if (echo.n_told == sequence.n_prompt) sequence.echo.reset();
}

void Scheduler::take_token(Sequence& sequence, std::span<float> logits) {
  if (sequence.n_max_answer == 0) return finish(sequence, FinishReason::length);
  if (sequence.n_logprobs) logprobs_.look(logits, *sequence.n_logprobs);
  if (sequence.matcher && !sequence.matcher->apply(logits)) {
    const bool is_exhausted = sequence.matcher->is_exhausted();
    return fail(sequence,
                {Errc::unsupported, is_exhausted ? "the grammar is too ambiguous to follow"
                                                 : "the vocabulary cannot spell what the grammar "
                                                   "demands next"},
                true);
  }
  const Token token = sequence.sampler.sample(logits);
  if (sequence.first_token == TimePoint{}) sequence.first_token = clock_();
  if (token < 0)
    return fail(sequence, {Errc::invalid, "no token is left to choose: logit biases exclude all"},
                true);
  if (model_.tokenizer->is_end(token)) return finish(sequence, FinishReason::stop);

  sequence.tokens.push_back(token);
  sequence.sampler.accept(token);
  ++sequence.usage.n_completion;
  bool was_reasoning = sequence.stream.is_reasoning();
  if (sequence.matcher) sequence.matcher->accept(token);
  show(sequence, sequence.stream.push(token, logprob_of(sequence, token)));
  if (was_reasoning || sequence.stream.is_reasoning()) ++sequence.usage.n_reasoning;

  if (sequence.stream.stop_string() || sequence.stream.is_over())
    return finish(sequence, FinishReason::stop);
  if (sequence.matcher && sequence.matcher->is_complete())
    return finish(sequence, FinishReason::stop);
  if (sequence.usage.n_completion >= sequence.n_max_answer)
    return finish(sequence, FinishReason::length);
}

std::optional<TokenLogprob> Scheduler::logprob_of(const Sequence& sequence, Token token) const {
  if (!sequence.n_logprobs) return std::nullopt;
  const auto text = [&](Token each) { return model_.tokenizer->piece(each, true); };
  TokenLogprob out;
  out.chosen = {token, text(token), logprobs_.of(token)};
  for (const Candidate& candidate : logprobs_.top())
    out.top.push_back({candidate.id, text(candidate.id), candidate.logit});
  return out;
}

void Scheduler::show(Sequence& sequence, std::vector<StreamDelta> deltas) {
  for (StreamDelta& delta : deltas) {
    if (sequence.answer) append(*sequence.answer, delta);
    emit_(Delta{sequence.request, std::move(delta)});
  }
}

void Scheduler::report_progress(Sequence& sequence) {
  TimePoint now = clock_();
  if (now - sequence.last_progress < kProgressInterval) return;
  sequence.last_progress = now;
  emit_(Delta{sequence.request,
              {.kind = StreamDelta::Kind::progress,
               .n_done = std::min(sequence.n_computed, sequence.n_prompt),
               .n_prompt = sequence.n_prompt}});
}

void Scheduler::finish(Sequence& sequence, FinishReason reason) {
  show(sequence, sequence.stream.finish(reason != FinishReason::stop));
  if (reason == FinishReason::stop && sequence.stream.n_calls() > 0)
    reason = FinishReason::tool_calls;
  Done done;
  done.request = sequence.request;
  done.finish_reason = reason;
  done.stop_string = sequence.stream.stop_string();
  done.usage = sequence.usage;
  done.timings = sequence.timings(clock_());
  done.seed = sequence.sampler.seed();
  done.divergence = sequence.divergence;
  emit_(done);
  const uint32_t n_computed = sequence.n_computed;
  release_pages(sequence, true);
  sequence.n_computed = n_computed;
  prompts_.answered(sequence);
  remember_answer(sequence);
  remove(sequence);
}

// What a stop string cut off was sampled, but not said: such an answer goes on as its text.
void Scheduler::remember_answer(Sequence& sequence) {
  if (!sequence.exchange || sequence.usage.n_completion == 0 || sequence.stream.stop_string())
    return;
  sequence.exchange->answer = std::move(sequence.answer);
  sequence.exchange->tokens = std::move(sequence.tokens);
  model_.answers.add(std::move(*sequence.exchange));
}

// Pages of a sequence whose numbers went wrong are not to be used again.
void Scheduler::fail(Sequence& sequence, const Error& error, bool keeps_pages) {
  emit_(Failed{sequence.request, error, 0, 0});
  release_pages(sequence, keeps_pages);
  remove(sequence);
}

void Scheduler::release_pages(Sequence& sequence, bool remembers) {
  if (remembers)
    model_.prefixes.insert(std::span(sequence.tokens).first(sequence.n_computed), sequence.pages,
                           sequence.first_window);
  for (size_t i = sequence.first_window; i < sequence.end_window; ++i)
    model_.cache.release_window(sequence.pages[i]);
  for (PageIndex page : sequence.pages) model_.cache.release(page);
  sequence.pages.clear();
  sequence.first_window = sequence.end_window = 0;
  sequence.n_computed = 0;
}

void Scheduler::remove(Sequence& sequence) {
  auto is_it = [&](const auto& other) { return other.get() == &sequence; };
  std::erase_if(running_, is_it);
  std::erase_if(waiting_, is_it);
}

SnapshotData Scheduler::totals() const {
  SnapshotData data;
  add_to(data, 0);
  return data;
}

void Scheduler::add_to(SnapshotData& data, double load_ms) const {
  ModelSnapshot mine;
  model_.name.copy(mine.model, sizeof mine.model - 1);
  mine.n_context = model_.facts.n_context;
  mine.n_running = static_cast<uint32_t>(running_.size());
  mine.n_queued = static_cast<uint32_t>(waiting_.size());
  const auto add_prompt = [&](const Sequence& sequence, double n) {
    mine.n_prefill_left += static_cast<uint64_t>(n);
    mine.prefill_context_left += n * (sequence.n_computed + n / 2);
  };
  for (const auto& sequence : running_) {
    if (!sequence->is_decoding()) {
      add_prompt(*sequence, sequence->n_to_compute());
      continue;
    }
    ++mine.n_decoding;
    mine.decode_context += sequence->n_computed;
  }
  for (const auto& sequence : waiting_)
    add_prompt(*sequence, static_cast<double>(sequence->tokens.size()));
  mine.rows_alone = prefill_rows(false);
  mine.rows_beside_decoding = prefill_rows(true);
  mine.steps = speed_.steps();
  prompts_.add_to(mine);
  mine.prefill_tokens_per_s = speed_.prefill_tokens_per_s();
  mine.decode_tokens_per_s = speed_.decode_tokens_per_s();
  mine.load_ms = load_ms;

  data.n_steps += speed_.n_steps();
  data.n_running += mine.n_running;
  data.n_queued += mine.n_queued;
  data.n_prefill_left += mine.n_prefill_left;
  data.n_pages_total += model_.cache.n_pages();
  data.n_pages_used += model_.cache.n_pages() - model_.cache.n_free();
  data.n_prefill_tokens += speed_.n_prefill_tokens();
  data.n_decode_tokens += speed_.n_decode_tokens();
  if (mine.prefill_tokens_per_s > 0) data.prefill_tokens_per_s = mine.prefill_tokens_per_s;
  if (mine.decode_tokens_per_s > 0) data.decode_tokens_per_s = mine.decode_tokens_per_s;
  if (data.n_models < kMaxSnapshotModels) data.models[data.n_models++] = mine;
}

}  // namespace hearth::engine
