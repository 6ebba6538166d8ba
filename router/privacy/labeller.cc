#include "router/labeller.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <set>
#include <unordered_map>
#include <utility>

#include "privacy/content.h"
#include "privacy/folder_watch.h"
#include "privacy/reading.h"
#include "privacy/rules.h"
#include "privacy/secrets.h"
#include "privacy/text_key.h"
#include "privacy/workspace.h"
#include "providers/endpoint.h"
#include "router/router.h"
#include "support/file.h"
#include "support/json.h"
#include "support/log.h"
#include "support/offload.h"
#include "support/path.h"

namespace hearth::router {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMinText = 12;            // bytes; less says nothing
constexpr size_t kReadHere = 4 << 10;      // bytes that are not worth a way to a worker and back
constexpr size_t kSeam = 256;              // bytes on either side of the end of a block
constexpr size_t kMaxRemembered = 64'000;  // texts; about 10 MB
constexpr int kMaxReadings = 4;            // of a request whose texts are forgotten meanwhile
constexpr size_t kMaxCauses = 16;          // of each label
// Where the kernel gives no more watches, files are looked at again after so long.
constexpr std::chrono::milliseconds kMaxAge{1000};

struct Known {
  std::string digest;
  Reading reading;
  std::optional<CallFiles> files;  // of a call's arguments
  uint64_t generation = 0;         // of the index that it was compared with
};

struct Unread {
  TextKey key;
  std::string text;
  bool is_call = false;  // a call's arguments
};

using Secrets = std::vector<std::string>;

std::vector<Known> read_all(const std::vector<Unread>& texts, const Policy& policy,
                            const Workspace& workspace, const DerivedTexts& derived,
                            const Secrets& own) {
  const CallReader calls(policy.labels);
  std::vector<Known> known;
  known.reserve(texts.size());
  for (const Unread& each : texts) {
    Known& of = known.emplace_back();
    of.digest = text_digest(each.text);
    of.reading = read_text(each.text, workspace, derived, own);
    if (each.is_call) of.files = calls.read(each.text);
    of.generation = workspace.generation;
  }
  return known;
}

struct KeyedPiece {
  TextKey key;
  Piece piece;
  bool is_seam = false;
};

// The texts of a request, and where two blocks of it meet: an excerpt may be cut there.
struct Contents {
  std::vector<KeyedPiece> pieces;
  std::vector<std::unique_ptr<std::string>> seams;

  explicit Contents(RouteRequest& request) {
    std::string tail;
    for (const std::string* text : {&request.own.user, &request.own.betas}) add(*text);
    for (const auto& [name, format] : request.own.free_form) add(format.text);
    each_piece(request.body, [&](Piece piece) {
      if (piece.text.size() >= kMinText) pieces.push_back({text_key(piece.text), piece});
      if (!piece.block) return;
      const std::string* text = main_text(*piece.block);
      if (!text || text->data() != piece.text.data()) return;
      if (!tail.empty()) {
        std::string seam = tail + text->substr(0, kSeam);
        if (seam.size() >= kMinText) {
          seams.push_back(std::make_unique<std::string>(std::move(seam)));
          pieces.push_back(
              {text_key(*seams.back()), {*seams.back(), piece.message, piece.block}, true});
        }
      }
      tail += text->size() > kSeam ? text->substr(text->size() - kSeam) : *text;
      if (tail.size() > kSeam) tail.erase(0, tail.size() - kSeam);
    });
  }

 private:
  // Beside the conversation.
  void add(const std::string& text) {
    if (text.size() >= kMinText) pieces.push_back({text_key(text), {text, 0, nullptr}});
  }
};

bool is_arguments(const Piece& piece) {
  const auto* call = piece.block ? std::get_if<ToolCall>(&piece.block->content) : nullptr;
  return call && call->arguments.data() == piece.text.data();
}

void add_cause(RequestFacts& facts, LabelCause cause) {
  const auto n = std::ranges::count(facts.label_causes, cause.label, &LabelCause::label);
  if (static_cast<size_t>(n) < kMaxCauses) facts.label_causes.push_back(std::move(cause));
}

std::string names_of(uint32_t detectors) {
  std::string names;
  for (size_t i = 0; i < std::size(kDetectorNames); ++i)
    if (detectors & 1u << i) names += (names.empty() ? "" : ", ") + std::string(kDetectorNames[i]);
  return names;
}

}  // namespace

struct Labeller::State : std::enable_shared_from_this<Labeller::State> {
  State(net::any_io_executor executor, const std::string& folder)
      : loop(executor),
        walked(executor, Clock::time_point::max()),
        derived(folder.empty() ? "" : path::join(folder, "labelled_answers.jsonl")),
        acts_path(folder.empty() ? "" : path::join(folder, "declassified.jsonl")) {}

  net::any_io_executor loop;

  // ---- the labelled files ----

  std::shared_ptr<const Policy> followed;  // what rules and roots are of
  std::vector<LabelRule> rules;
  std::vector<std::string> roots;
  uint64_t rules_number = 0, walked_number = 0;
  std::shared_ptr<const Workspace> workspace = std::make_shared<const Workspace>();
  FolderWatch watch;
  bool is_walking = false, must_walk = false;
  Clock::time_point walk_began = Clock::time_point::min();
  Clock::time_point seen_at = Clock::time_point::min();  // when the last whole walk began
  std::string walk_error;                                // of that walk; "": none
  net::steady_timer walked;  // never expires; cancelled when a walk has ended

  void follow(const std::shared_ptr<const Policy>& policy) {
    if (policy == followed) return;
    followed = policy;
    std::vector<std::string> next_roots = roots_of(*policy);
    if (rules_number > 0 && policy->labels == rules && next_roots == roots) return;
    rules = policy->labels;
    roots = std::move(next_roots);
    ++rules_number;
    forget();  // what was read under other rules is read again
  }

  // Whether a request that came at `asked_at` may quote what no walk has seen. What is written
  // later than that, it cannot.
  bool is_stale(Clock::time_point asked_at) {
    if (walked_number != rules_number) return true;
    if (seen_at >= asked_at) return false;
    const bool by_repository = std::ranges::any_of(rules, [](const LabelRule& rule) {
      return std::ranges::any_of(rule.match, [](auto& m) { return m.starts_with("repo:"); });
    });
    const bool has_changed = watch.has_changed([&](const std::string& path) {
      return by_repository || !matches_of(rules, {path, {}, {}}).empty();
    });
    must_walk = must_walk || has_changed;
    return is_walking || must_walk || (!watch.sees_all() && walk_began + kMaxAge < asked_at);
  }

  void begin_walk() {
    is_walking = true;
    must_walk = false;
    walk_began = Clock::now();
    auto job = [weak = weak_from_this(), executor = loop, wanted_roots = roots,
                wanted_rules = rules, number = rules_number,
                before = walked_number == rules_number ? workspace : nullptr] {
      std::shared_ptr<const Workspace> next;
      std::string error;
      try {
        next = walk(wanted_roots, wanted_rules, before);
      } catch (const std::exception& failure) {
        error = failure.what();
      }
      net::post(executor, [weak, number, next = std::move(next), error = std::move(error)] {
        if (auto state = weak.lock()) state->end_walk(number, next, error);
      });
    };
    net::post(workers, std::move(job));
  }

  void end_walk(uint64_t number, std::shared_ptr<const Workspace> next, const std::string& error) {
    is_walking = false;
    if (number == rules_number) {
      walked_number = number;
      seen_at = walk_began;
      walk_error = error;
      if (next) take(std::move(next));
    }
    walked.cancel();
  }

  void take(std::shared_ptr<const Workspace> next) {
    if (next->left_out > workspace->left_out)
      log::warn("labelled files are known by their path alone: too large or too many",
                {{"files", next->left_out}});
    for (const std::string& root : next->unreadable)
      if (std::ranges::count(workspace->unreadable, root) == 0)
        log::warn("a workspace root is not there", {{"root", root}});
    workspace = std::move(next);
    // What happened in a folder before it was watched may have been missed.
    if (watch.watch(workspace->folders)) must_walk = true;
  }

  Task<Result<std::shared_ptr<const Workspace>>> current(std::shared_ptr<const Policy> policy) {
    auto self = shared_from_this();
    const Clock::time_point asked_at = Clock::now();
    follow(policy);
    while (!roots.empty() && is_stale(asked_at)) {
      if (!is_walking) begin_walk();
      auto [cancelled] = co_await walked.async_wait(as_result);
      (void)cancelled;  // that is how its end is told
      auto withdrawal = co_await net::this_coro::cancellation_state;
      if (withdrawal.cancelled() != net::cancellation_type::none)
        co_return Error{Errc::cancelled, "the request was withdrawn"};
      // Unread files are not taken for harmless ones.
      if (!walk_error.empty() && seen_at >= asked_at)
        co_return Error{Errc::internal, "the labelled files could not be read: " + walk_error};
    }
    static const auto nothing = std::make_shared<const Workspace>();
    co_return roots.empty() ? nothing : workspace;
  }

  // ---- what Hearth itself holds ----

  std::shared_ptr<const Secrets> own = std::make_shared<const Secrets>();
  std::shared_ptr<const Policy> keys_of;  // the policy whose keys were read
  Clock::time_point keys_read = Clock::time_point::min();

  void guard(std::string_view secret) {
    constexpr size_t kMost = 1024;
    if (!is_distinct(secret) || own->size() >= kMost || std::ranges::count(*own, secret) > 0)
      return;
    Secrets more = *own;
    more.emplace_back(secret);
    own = std::make_shared<const Secrets>(std::move(more));
    forget();
  }

  // A rotated key is known soon; the one before it stays a secret.
  void read_keys(const std::shared_ptr<const Policy>& policy) {
    constexpr std::chrono::seconds kAge{10};
    const Clock::time_point now = Clock::now();
    if (policy == keys_of && now - keys_read < kAge) return;
    keys_of = policy;
    keys_read = now;
    for (const Target& target : policy->targets) {
      if (target.kind != TargetKind::api) continue;
      Target server = target;
      if (target.is_pool && !target.endpoints.empty()) server.base_url = target.endpoints.front();
      if (auto endpoint = endpoint_of(server)) guard(endpoint->key);
    }
  }

  // ---- what texts were found to be ----

  uint64_t n_forgotten = 0;  // how often

  void forget() {
    ++n_forgotten;
    recent.clear();
    older.clear();
  }

  std::unordered_map<TextKey, Known, TextKeyHash> recent, older;
  DerivedTexts derived;

  Known* find(const TextKey& key) {
    if (auto found = recent.find(key); found != recent.end()) return &found->second;
    auto found = older.find(key);
    if (found == older.end()) return nullptr;
    return &recent.insert(older.extract(found)).position->second;
  }

  void remember(const TextKey& key, Known known) {
    if (Known* before = find(key)) {
      // What it was found to be before does not come off.
      for (Excerpt& excerpt : known.reading.excerpts)
        if (std::ranges::count(before->reading.excerpts, excerpt) == 0)
          before->reading.excerpts.push_back(std::move(excerpt));
      before->generation = std::max(before->generation, known.generation);
      if (known.files) before->files = std::move(known.files);
      return;
    }
    if (recent.size() >= kMaxRemembered / 2) older = std::exchange(recent, {});
    recent.emplace(key, std::move(known));
  }

  std::vector<Unread> unread(const Contents& contents, uint64_t generation) {
    std::vector<Unread> texts;
    std::unordered_map<TextKey, size_t, TextKeyHash> places;  // of them
    for (const KeyedPiece& each : contents.pieces) {
      const Known* known = find(each.key);
      const bool is_call = is_arguments(each.piece);
      if (known && known->generation >= generation && (known->files || !is_call)) continue;
      const auto [place, is_new] = places.emplace(each.key, texts.size());
      if (is_new) texts.push_back({each.key, std::string(each.piece.text), false});
      Unread& text = texts[place->second];
      text.is_call = text.is_call || is_call;
    }
    return texts;
  }

  // What was read under other rules does not hold under these.
  KnownCalls known_calls(const std::shared_ptr<const Policy>& policy) {
    if (policy != followed) return {};
    return [this](const ToolCall& call) -> const CallFiles* {
      const Known* known = find(text_key(call.arguments));
      return known && known->files ? &*known->files : nullptr;
    };
  }

  // ---- acts ----

  std::string acts_path;
  std::vector<Declassified> acts;
  std::set<std::pair<std::string, std::string>> may_leave;  // digest, label

  bool is_declassified(const std::string& digest, const std::string& label) const {
    return !may_leave.empty() && (may_leave.contains(std::pair(digest, label)) ||
                                  may_leave.contains(std::pair(digest, std::string("*"))));
  }

  // ---- the labels ----

  // False where a text of the request is not known: it may leave under no label that it may carry.
  bool put_on(const Policy& policy, const Contents& contents, RouteRequest& request) {
    std::set<std::pair<std::string, std::string>> of_whole_texts;
    for (bool of_seams : {false, true})
      for (const KeyedPiece& each : contents.pieces) {
        if (each.is_seam != of_seams) continue;
        const Known* known = find(each.key);
        if (!known) return false;
        auto put = [&](const std::string& label, std::string why) {
          // A seam tells only what the texts beside it do not.
          if (of_seams ? of_whole_texts.contains(std::pair(label, why))
                       : !of_whole_texts.emplace(label, why).second && !each.piece.block)
            return;
          if (is_declassified(known->digest, label)) return;
          std::vector<std::string>& labels =
              each.piece.block ? each.piece.block->labels : request.facts.labels;
          if (std::ranges::count(labels, label) == 0) labels.push_back(label);
          add_cause(request.facts, {label, std::move(why), known->digest, each.piece.message});
        };
        if (known->reading.detectors)
          for (const LabelRule* rule : rules_of_detectors(policy.labels, known->reading.detectors))
            put(rule->name, "looks like " + names_of(known->reading.detectors));
        for (const Excerpt& excerpt : known->reading.excerpts) {
          for (const std::string& label : excerpt.labels)
            put(label, excerpt.path.empty() ? "from an answer to a labelled request"
                                            : "text of " + excerpt.path);
          if (!excerpt.path.empty() &&
              std::ranges::count(request.manifest.sources, excerpt.path) == 0)
            request.manifest.sources.push_back(excerpt.path);
        }
      }
    return true;
  }

  // Also of a text that is too short to be read.
  std::string digest_of(const std::string& text) {
    const Known* known = find(text_key(text));
    return known ? known->digest : text_digest(text);
  }

  // What a label came from by its source alone gets the digest by which it can be taken off.
  void name_texts(RouteRequest& request) {
    for (LabelCause& cause : request.facts.label_causes) {
      if (!cause.text.empty() || cause.message == 0) continue;
      for (const Block& block : request.body.messages[cause.message - 1].blocks) {
        const std::string* text = main_text(block);
        if (text && std::ranges::count(block.labels, cause.label) > 0)
          cause.text = digest_of(*text);
      }
    }
  }

  // Labels that a person took off a text, whatever put them there.
  void take_off(RouteRequest& request) {
    if (may_leave.empty()) return;
    for (Message& message : request.body.messages)
      for (Block& block : message.blocks) {
        const std::string* text = main_text(block);
        if (!text || block.labels.empty()) continue;
        const std::string digest = digest_of(*text);
        std::erase_if(block.labels,
                      [&](const auto& label) { return is_declassified(digest, label); });
      }
    std::erase_if(request.facts.label_causes, [&](const LabelCause& cause) {
      return is_declassified(cause.text, cause.label);
    });
  }

  void list(const Contents& contents, Manifest& manifest) {
    for (const KeyedPiece& each : contents.pieces)
      if (const Known* known = find(each.key);
          known && !each.is_seam &&
          (!each.piece.block || main_text(*each.piece.block) == nullptr ||
           main_text(*each.piece.block)->data() == each.piece.text.data()))
        manifest.blocks.push_back(known->digest);
  }

  // The last member: its threads end first.
  net::thread_pool workers{2};
};

Labeller::Labeller(net::any_io_executor loop, const std::string& folder)
    : state_(std::make_shared<State>(loop, folder)) {
  if (state_->acts_path.empty()) return;
  auto text = file::read(state_->acts_path);
  if (!text && text.error().code != Errc::not_found)
    log::warn("declassified texts are not known", {{"error", text.error().message}});
  std::string_view rest = text ? std::string_view(*text) : "";
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (auto act = json::decode<Declassified>(rest.substr(0, end), "act")) {
      state_->may_leave.emplace(act->text, act->label);
      state_->acts.push_back(std::move(*act));
    }
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
}

Labeller::~Labeller() = default;

Task<Result<>> Labeller::label(std::shared_ptr<const Policy> policy, RouteRequest& request) {
  const std::shared_ptr<State> state = state_;
  state->read_keys(policy);
  const Contents contents(request);
  // While it waits, other requests may make the state forget what was read, or push it out.
  bool is_read = false;
  for (int n_readings = 0; !is_read && n_readings < kMaxReadings; ++n_readings) {
    const auto current = co_await state->current(policy);
    if (!current) co_return current.error();
    const std::shared_ptr<const Workspace> workspace = *current;
    std::vector<Unread> unread = state->unread(contents, workspace->generation);
    is_read = unread.empty();
    if (is_read) break;
    size_t n_bytes = 0;
    std::vector<TextKey> keys;
    for (const Unread& each : unread) {
      n_bytes += each.text.size();
      keys.push_back(each.key);
    }
    const uint64_t n_forgotten = state->n_forgotten;
    std::vector<Known> known;
    if (n_bytes <= kReadHere) {
      known = read_all(unread, *policy, *workspace, state->derived, *state->own);
    } else {
      auto job = [texts = std::move(unread), policy, workspace, &derived = state->derived,
                  own = state->own] { return read_all(texts, *policy, *workspace, derived, *own); };
      auto reading = run_on(state->workers, std::move(job));
      known = co_await std::move(reading);
    }
    // Read by rules or beside secrets that are no longer all.
    if (n_forgotten != state->n_forgotten) continue;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (policy != state->followed) known[i].files.reset();
      state->remember(keys[i], std::move(known[i]));
    }
    is_read = state->unread(contents, workspace->generation).empty();
  }
  const Error unknown{Errc::busy,
                      fmt::format("what the request's texts may carry is not known: they are more "
                                  "than {}, or rules and keys changed while they were read",
                                  kMaxRemembered)};
  if (!is_read) co_return unknown;

  const std::vector<std::string> of_request = request.facts.labels;
  label_by_source(*policy, request, state->known_calls(policy));
  read_size_and_needs(request);
  request.facts.labels = of_request;
  for (std::string& label : labels_of_ids(*policy, request.body))
    if (std::ranges::count(of_request, label) == 0)
      request.facts.labels.push_back(std::move(label));
  if (!state->put_on(*policy, contents, request)) co_return unknown;
  state->name_texts(request);
  state->take_off(request);
  for (const Message& message : request.body.messages)
    for (const Block& block : message.blocks) {
      for (const std::string& label : block.labels)
        if (std::ranges::count(request.facts.labels, label) == 0)
          request.facts.labels.push_back(label);
      if (block.source && block.source->path &&
          std::ranges::count(request.manifest.sources, *block.source->path) == 0)
        request.manifest.sources.push_back(*block.source->path);
    }
  state->list(contents, request.manifest);
  co_return Result<>();
}

void Labeller::guard(std::string_view secret) { state_->guard(secret); }

void Labeller::derive(std::string_view text, const std::vector<std::string>& labels) {
  state_->derived.add(text, labels);
}

Result<> Labeller::declassify(Declassified act) {
  const bool is_digest = act.text.size() == 32 && std::ranges::all_of(act.text, [](char c) {
                           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                         });
  if (!is_digest)
    return Error{Errc::invalid,
                 fmt::format("\"{}\" is no text's digest: expected 32 hexadecimal digits, as "
                             "explanations show them",
                             act.text)};
  if (act.label.empty())
    return Error{Errc::invalid, "no label is named; \"*\" takes all of them off"};
  if (act.who.empty() || act.why.empty())
    return Error{Errc::invalid, "who takes the label off and why is part of the act"};
  if (!state_->acts_path.empty()) {
    const std::string line = json::encode(act) + "\n";
    file::Descriptor file(
        ::open(state_->acts_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file) return file::io_error("open", state_->acts_path, errno);
    if (::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fdatasync(file.get()) != 0)
      return file::io_error("write", state_->acts_path, errno);
  }
  log::info("declassified",
            {{"text", act.text}, {"label", act.label}, {"who", act.who}, {"why", act.why}});
  state_->may_leave.emplace(act.text, act.label);
  state_->acts.push_back(std::move(act));
  return {};
}

const std::vector<Declassified>& Labeller::declassified() const { return state_->acts; }

Task<Result<WorkspaceReport>> Labeller::report(std::shared_ptr<const Policy> policy) {
  const std::shared_ptr<State> state = state_;
  const auto current = co_await state->current(std::move(policy));
  if (!current) co_return current.error();
  const Workspace* workspace = current->get();
  WorkspaceReport report;
  report.roots = state->roots;
  report.unreadable = workspace->unreadable;
  report.n_labelled = workspace->n_labelled;
  report.n_left_out = workspace->left_out;
  report.index_bytes = workspace->index.size_bytes();
  co_return report;
}

}  // namespace hearth::router
