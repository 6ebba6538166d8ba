// `hearth complete`: continues a text through /v1/completions.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/daemon_http.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string prompt;  // empty: stdin
  std::string model = "auto";
  uint32_t max_tokens = 64;
  std::optional<double> temperature;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
};

std::string request_body(const Options& options, const std::string& prompt) {
  json::Object body{
      {"model", options.model}, {"prompt", prompt}, {"max_tokens", options.max_tokens}};
  if (options.temperature) body["temperature"] = *options.temperature;
  if (options.seed) body["seed"] = *options.seed;
  if (!options.stop.empty()) body["stop"] = json::Array(options.stop.begin(), options.stop.end());
  return boost::json::serialize(body);
}

int run(const Common& common, const Options& options) {
  std::string prompt = options.prompt;
  if (prompt.empty()) prompt = read_stdin();
  if (prompt.empty())
    return fail({Errc::invalid, "nothing to continue: give a text or pipe one in"});
  if (auto good = check_text(options.prompt.empty() ? "standard input" : "the text", prompt); !good)
    return fail(good.error());
  // The socket proves that the daemon lives: a daemon.json that outlived it may name a port that
  // someone else has now, and the token is not theirs to see.
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  auto daemon = find_daemon(common.folders);
  if (!daemon) return fail(daemon.error());

  auto reply = post_to_daemon(*daemon, "/v1/completions", request_body(options, prompt));
  if (!reply) return fail(reply.error());
  auto document = json::Document::parse(reply->body);
  if (!document) return fail(document.error());
  std::string_view text;
  if (!document->root()["error"]["message"].get_string().get(text))
    return fail({Errc::upstream, std::string(text)});
  if (common.json) {
    fmt::print("{}\n", reply->body);
    return 0;
  }
  if (document->root()["choices"].at(0)["text"].get_string().get(text))
    return fail({Errc::upstream, "the daemon sent an answer that is not understood"});
  fmt::print("{}\n", is_terminal(STDOUT_FILENO) ? printable(text) : std::string(text));
  return 0;
}

}  // namespace

Command complete() {
  auto declare = [](Form& form, Options& options) {
    form.option("prompt", options.prompt, "The text; default: stdin");
    form.option("-m,--model", options.model, "auto, local, a target or a model");
    form.option("-n,--max-tokens", options.max_tokens, "Longest continuation");
    form.option("--temperature", options.temperature, "0 is greedy");
    form.option("--seed", options.seed, "Makes the answer repeatable");
    form.option("--stop", options.stop, "Ends the text; may be given several times");
    form.json();
  };
  return command("complete", "Continue a text (no chat template)", run, declare);
}

}  // namespace hearth::cli
