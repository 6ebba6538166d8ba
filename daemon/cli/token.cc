// `hearth token ...`: the owner's token, and named ones for clients. The named ones are a file
// (net/client_tokens.h), which works with and without a daemon.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/commands.h"
#include "cli/owner_token.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "cli/token_terms.h"
#include "cli/usd_text.h"
#include "config/config.h"
#include "daemon/protocol/model.h"
#include "net/auth.h"
#include "net/client_tokens.h"

namespace hearth::cli {

namespace {

using transport::ClientToken;
using transport::ClientTokens;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

ClientTokens tokens_of(const Common& common) {
  return ClientTokens(path::join(common.folders.state, "tokens.json"));
}

// The daemon sees the file before it lets anyone in; this ends what a revoked token has under way.
void tell_daemon(const Common& common) {
  auto daemon = find_daemon(common.folders);
  if (!daemon) return;
  if (auto client = RpcClient::connect(*daemon))
    (void)client->call<protocol::Empty>("ops/reloadTokens", protocol::Empty{});
}

std::string budget_text(const ClientToken& token) {
  if (!token.budget_usd) return "-";
  return fmt::format("${}{}{}", usd_text(*token.budget_usd), token.budget_per.empty() ? "" : "/",
                     token.budget_per);
}

std::string time_text(int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(static_cast<std::time_t>(ms / 1000)));
}

json::Object row_of(const ClientToken& token) {
  json::Object row{{"name", token.name},
                   {"labels", json::Array(token.labels.begin(), token.labels.end())},
                   {"createdMs", token.created_ms}};
  if (token.budget_usd) {
    row["budgetUsd"] = *token.budget_usd;
    row["budgetPer"] = token.budget_per;
  }
  if (token.expires_ms) {
    row["expiresMs"] = token.expires_ms;
    row["expired"] = token.expires_ms <= now_ms();
  }
  return row;
}

// A label that the policy does not know keeps nothing at home: worth a word.
void note_unknown_labels(const Common& common, const std::vector<std::string>& labels) {
  const auto config = load_config(common.config_files);
  if (!config) return;
  for (const std::string& label : labels)
    if (std::ranges::find(config->policy.labels, label, &router::LabelRule::name) ==
        config->policy.labels.end())
      fmt::print(stderr, "note: the policy has no [[label]] named \"{}\"\n", printable(label));
}

struct CreateOptions {
  std::string name;
  std::vector<std::string> labels;
  std::string budget, expires;
};

int create(const Common& common, const CreateOptions& options) {
  ClientToken token;
  token.name = options.name;
  token.labels = options.labels;
  if (!options.budget.empty()) {
    auto budget = parse_budget(options.budget);
    if (!budget) return fail(budget.error());
    token.budget_usd = budget->usd;
    token.budget_per = budget->per;
  }
  if (!options.expires.empty()) {
    auto end = parse_end(options.expires, now_ms());
    if (!end) return fail(end.error());
    token.expires_ms = *end;
  }
  auto text = tokens_of(common).create(token, now_ms());
  if (!text) return fail(text.error());
  tell_daemon(common);
  note_unknown_labels(common, token.labels);
  if (common.json) {
    json::Object row = row_of(token);
    row["createdMs"] = now_ms();
    row["token"] = *text;
    fmt::print("{}\n", boost::json::serialize(row));
    return 0;
  }
  fmt::print("{}\n", *text);
  std::fflush(stdout);
  fmt::print(stderr,
             "This is shown once: only its hash is kept. A client sends it as its API key, with "
             "the base URL of `hearth status` + /v1.\n");
  return 0;
}

int list(const Common& common) {
  ClientTokens tokens = tokens_of(common);
  tokens.refresh();
  if (tokens.fault()) return fail(*tokens.fault());
  if (common.json) {
    json::Array rows;
    for (const auto& token : tokens.list()) rows.push_back(row_of(*token));
    fmt::print("{}\n", boost::json::serialize(json::Object{{"tokens", std::move(rows)}}));
    return 0;
  }
  if (tokens.list().empty()) {
    fmt::print("there are no named tokens; make one with `hearth token create NAME`\n");
    return 0;
  }
  fmt::print("{:<24} {:<24} {:>14}  {:<22} {}\n", "NAME", "LABELS", "BUDGET", "EXPIRES", "CREATED");
  for (const auto& token : tokens.list()) {
    std::string end = token->expires_ms == 0 ? "never" : time_text(token->expires_ms);
    if (token->expires_ms != 0 && token->expires_ms <= now_ms()) end += " (over)";
    fmt::print("{:<24} {:<24} {:>14}  {:<22} {}\n", token->name,
               token->labels.empty() ? "-" : fmt::format("{}", fmt::join(token->labels, ",")),
               budget_text(*token), end, time_text(token->created_ms));
  }
  return 0;
}

struct RevokeOptions {
  std::string name;
};

int revoke(const Common& common, const RevokeOptions& options) {
  if (auto done = tokens_of(common).revoke(options.name); !done) return fail(done.error());
  tell_daemon(common);
  fmt::print(stderr, "the token \"{}\" is revoked\n", options.name);
  return 0;
}

int rotate(const Common& common) {
  auto before = find_daemon(common.folders);
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  auto rotated = client->call<protocol::TokenRotated>("ops/rotateToken", protocol::Empty{});
  // Every client is dropped, this one too, maybe before its answer has come: daemon.json tells.
  auto now = find_daemon(common.folders);
  if (!rotated && (!before || !now || before->token == now->token)) return fail(rotated.error());
  fmt::print(stderr, "the token is replaced; clients find the new one in daemon.json\n");
  return 0;
}

int show(const Common& common) {
  auto token = owner_token(common);
  if (!token) return fail(token.error());
  fmt::print("{}\n", *token);
  return 0;
}

}  // namespace

// Before a daemon has ever run, too: it will find the token and keep it.
Result<std::string> owner_token(const Common& common) {
  auto token = transport::Token::open(path::join(common.folders.state, "token"));
  if (!token) return token.error();
  return token->text();
}

Command token_create() {
  auto declare = [](Form& form, CreateOptions& options) {
    form.option("name", options.name, "What it is for: letters, digits, \".\", \"_\", \"-\"")
        .required();
    form.option("-l,--label", options.labels,
                "Given to every request; the policy's [[label]] says what it means")
        .separated_by(',');
    form.option("--budget", options.budget,
                "USD, by itself a month's: 20, 5/day, 1/hour, 50/week, 100/ever");
    form.option("--expires,--expiry", options.expires, "12h, 30d, 8w, or a date: 2027-01-31");
    form.json();
  };
  return command("create", "Make a token for a client; it is printed once", create, declare);
}

Command token_list() {
  return command("list", "List the named tokens", list, [](Form& form) { form.json(); });
}

Command token_revoke() {
  auto declare = [](Form& form, RevokeOptions& options) {
    form.option("name", options.name, "As `hearth token list` shows it").required();
  };
  return command("revoke", "End a named token at once", revoke, declare);
}

Command token_rotate() {
  return command("rotate", "Replace the owner's token; clients must read daemon.json again",
                 rotate);
}

Command token_show() {
  return command("show", "Print the owner's token, for scripts: it opens everything", show);
}

}  // namespace hearth::cli
