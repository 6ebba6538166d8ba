// `hearth declassify`: a person's word that a text may lose a label, written down with who and why.
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "daemon/protocol/model.h"
#include "daemon/protocol/privacy.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string text, label, why;
};

// The name of the account: what the act says of who it was.
std::string account() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry && *entry->pw_name ? entry->pw_name : fmt::format("uid {}", ::getuid());
}

int list(const Common& common, RpcClient& client) {
  auto state = client.call<protocol::PrivacyState>("privacy/state", protocol::Empty{});
  if (!state) return fail(state.error());
  if (common.json) {
    fmt::print("{}\n", json::encode(*state));
    return 0;
  }
  if (state->declassified.empty()) fmt::print(stderr, "no text was declassified\n");
  for (const router::Declassified& act : state->declassified)
    fmt::print("{}  {}  {:<16} {:<12} {}\n", utc_text(act.time_ms), act.text, printable(act.label),
               printable(act.who), printable(act.why));
  return 0;
}

int run(const Common& common, const Options& options) {
  if (!options.text.empty() && (options.label.empty() || options.why.empty()))
    return fail({Errc::invalid, "--label and --why are part of the act: what comes off, and why"});
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  if (options.text.empty()) return list(common, *client);
  const protocol::Declassify act{options.text, options.label, account(), options.why};
  auto done = client->call<protocol::Empty>("privacy/declassify", act);
  if (!done) return fail(done.error());
  fmt::print(stderr, "text {} no longer carries {}\n", options.text,
             options.label == "*" ? "any label" : fmt::format("label \"{}\"", options.label));
  return 0;
}

}  // namespace

Command declassify() {
  auto declare = [](Form& form, Options& options) {
    form.option("text", options.text, "Digest of the text, as refusals show it; default: list");
    form.option("--label", options.label, "The label that comes off; \"*\": all");
    form.option("--why", options.why, "The reason, for the record");
    form.json();
  };
  return command("declassify", "Take a label off a text (recorded with who and why)", run, declare);
}

}  // namespace hearth::cli
