// Puts labels on a request for what its texts say, beside what is said of where they came from:
// secrets by their form, excerpts of the workspace's labelled files, answers to labelled requests.
//
// What a paraphrase says cannot be seen this way, nor an excerpt of fewer than kMinMatch letters
// and digits (privacy/shingles.h), about 55 characters or three short lines of code, unless a
// distinctive word is in it.
//
// Lives on the loop thread; texts are read and files walked on its workers. A text is read once:
// what it was found to be is remembered by a key of its bytes and does not come off when a file
// changes. The Labeller outlives every request that it is given.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/policy.h"
#include "router/provider.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::router {

// What the labelled files are known to be, for people.
struct WorkspaceReport {
  std::vector<std::string> roots;
  std::vector<std::string> unreadable;  // of these
  uint64_t n_labelled = 0;
  uint64_t n_left_out = 0;  // of these, known by their path alone
  uint64_t index_bytes = 0;
  static void fields(auto& self, auto&& field) {
    field("roots", self.roots);
    field("unreadable", self.unreadable);
    field("labelledFiles", self.n_labelled);
    field("leftOut", self.n_left_out);
    field("indexBytes", self.index_bytes);
  }
};

// A person's word that a text may lose a label.
struct Declassified {
  int64_t time_ms = 0;  // Unix
  std::string text;     // digest of it: 32 hexadecimal digits, as explanations show it
  std::string label;    // "*": all
  std::string who;
  std::string why;
  static void fields(auto& self, auto&& field) {
    field("timeMs", self.time_ms);
    field("text", self.text);
    field("label", self.label);
    field("who", self.who);
    field("why", self.why);
  }
};

class Labeller {
 public:
  // What outlives the process lies in `folder`: declassified.jsonl, the acts, one a line; and
  // labelled_answers.jsonl. "": nothing does.
  explicit Labeller(net::any_io_executor loop, const std::string& folder = "");
  ~Labeller();
  Labeller(const Labeller&) = delete;
  Labeller& operator=(const Labeller&) = delete;

  // Reads the facts of the request (read_facts) and adds what its texts tell. Waits until the index
  // is as new as the files. `request` outlives the task. Errc::cancelled when the caller withdrew;
  // what cannot be read is an error, not harmless.
  Task<Result<>> label(std::shared_ptr<const Policy> policy, RouteRequest& request);

  // A secret that Hearth holds beside its targets' keys (which it finds itself): "detector:own-key"
  // from now on, wherever it stands.
  void guard(std::string_view secret);

  // What was answered to a request with these labels carries them, wherever it turns up.
  void derive(std::string_view text, const std::vector<std::string>& labels);

  // On disk before it holds. Errc::invalid names what is wrong with the act.
  Result<> declassify(Declassified act);
  const std::vector<Declassified>& declassified() const;

  // Walks the roots first, if the policy asks for it.
  Task<Result<WorkspaceReport>> report(std::shared_ptr<const Policy> policy);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace hearth::router
