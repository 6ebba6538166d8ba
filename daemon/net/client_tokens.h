// Tokens by name, for clients that are not to hold the owner's: a tool, a CI job, a colleague. Each
// carries what the requests that come with it get: labels, a budget, an end.
//
// They lie hashed in one owner-only file, which is the truth: the command line edits it with or
// without a daemon, and the daemon looks at it before it lets anyone in, so that a revoked token
// stops at once. A file that cannot be read lets nobody in. One thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/result.h"

namespace hearth::transport {

struct ClientToken {
  std::string name;
  std::string sha256;               // of the token's text, hex
  std::vector<std::string> labels;  // join those of every request
  std::optional<double> budget_usd;
  std::string
      budget_per;  // "day", "month", ...: as [budget.*] says it; empty: as it does by itself
  int64_t created_ms = 0;
  int64_t expires_ms = 0;  // 0: never

  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("sha256", self.sha256);
    field("labels", self.labels);
    field("budgetUsd", self.budget_usd);
    field.or_default("budgetPer", self.budget_per);
    field("createdMs", self.created_ms);
    field("expiresMs", self.expires_ms);
  }
};

class ClientTokens {
 public:
  using List = std::vector<std::shared_ptr<const ClientToken>>;

  explicit ClientTokens(std::string path) : path_(std::move(path)) {}

  // Makes a token and gives its text, which nobody learns again. Errc::invalid: a name that is
  // taken or no name (letters, digits, ".", "_", "-"; 64 at most), or an end that has passed.
  Result<std::string> create(ClientToken token, int64_t now_ms);
  Result<> revoke(std::string_view name);

  // Reads the file again when it has changed. True: the list is another one.
  bool refresh();
  // Called by refresh() with every other list.
  void on_change(std::function<void(const List&)> tell) { tell_ = std::move(tell); }
  const List& list() const { return list_; }
  // Why nobody is let in, when that is so.
  const std::optional<Error>& fault() const { return fault_; }

  // Whose token that is, in constant time; null: nobody's. One that has expired is found, too.
  std::shared_ptr<const ClientToken> find(std::string_view presented) const;

 private:
  Result<List> read() const;
  Result<> write(const List& list) const;

  std::string path_;
  List list_;
  struct stat seen_{};
  std::optional<Error> fault_;
  std::function<void(const List&)> tell_;
};

}  // namespace hearth::transport
