// `hearth setup CLIENT`: the configuration that points a client at this daemon, ready to use. The
// configuration goes to stdout, where to put it to stderr; shells can take `eval "$(hearth setup
// sdk)"`. Tokens stay in the environment where the client can read them from there.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "cli/commands.h"
#include "cli/owner_token.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "config/config.h"

namespace hearth::cli {

namespace {

struct Client {
  std::string_view name;
  std::string_view how;            // where the text belongs and what starts the client
  std::string_view configuration;  // {url}, {model} and {token} are filled in
};

// Reads the token anew in each shell, so that it outlives a rotation and lies in no history.
#define HEARTH_TOKEN_NOW "$(hearth token show)"

constexpr Client kClients[] = {
    {"codex",
     "put this at the top of ~/.codex/config.toml ($CODEX_HOME/config.toml), then:\n"
     "  export HEARTH_TOKEN=\"" HEARTH_TOKEN_NOW "\"; codex",
     R"(model = "{model}"
model_provider = "hearth"

[model_providers.hearth]
name = "Hearth"
base_url = "{url}/v1"
env_key = "HEARTH_TOKEN"
wire_api = "responses"
)"},
    {"claude", "in the shell that starts it: eval \"$(hearth setup claude)\"; claude",
     R"(export ANTHROPIC_BASE_URL="{url}"
export ANTHROPIC_AUTH_TOKEN=")" HEARTH_TOKEN_NOW R"("
export ANTHROPIC_MODEL="{model}"
export ANTHROPIC_DEFAULT_OPUS_MODEL="{model}"
export ANTHROPIC_DEFAULT_SONNET_MODEL="{model}"
export ANTHROPIC_DEFAULT_HAIKU_MODEL="auto:cheap"
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
unset ANTHROPIC_API_KEY
)"},
    {"opencode",
     "put this in opencode.json of the project, or ~/.config/opencode/opencode.json, then:\n"
     "  export HEARTH_TOKEN=\"" HEARTH_TOKEN_NOW "\"; opencode",
     R"({
  "$schema": "https://opencode.ai/config.json",
  "model": "hearth/{model}",
  "small_model": "hearth/auto:cheap",
  "provider": {
    "hearth": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "Hearth",
      "options": {"baseURL": "{url}/v1", "apiKey": "{env:HEARTH_TOKEN}"},
      "models": {"{model}": {}, "auto:cheap": {}}
    }
  }
}
)"},
    {"qwen", "in the shell that starts it: eval \"$(hearth setup qwen)\"; qwen --auth-type openai",
     R"(export OPENAI_BASE_URL="{url}/v1"
export OPENAI_API_KEY=")" HEARTH_TOKEN_NOW R"("
export OPENAI_MODEL="{model}"
)"},
    {"continue",
     "put this in ~/.continue/config.yaml (chmod 600: the token is in it), or: cn --config FILE",
     R"(name: Hearth
version: 0.0.1
schema: v1
models:
  - name: Hearth
    provider: openai
    model: "{model}"
    apiBase: {url}/v1
    apiKey: {token}
    roles: [chat, edit, apply]
)"},
    {"sdk",
     "in the shell: eval \"$(hearth setup sdk)\"; the SDKs of OpenAI and Anthropic read these.\n"
     "  The model is \"{model}\"",
     R"(export OPENAI_BASE_URL="{url}/v1"
export OPENAI_API_KEY=")" HEARTH_TOKEN_NOW R"("
export ANTHROPIC_BASE_URL="{url}"
export ANTHROPIC_API_KEY=")" HEARTH_TOKEN_NOW R"("
)"},
};
#undef HEARTH_TOKEN_NOW

struct Options {
  std::string client;
  std::string model = "auto";
  std::string token;  // empty: the owner's
};

std::vector<std::string> client_names() {
  std::vector<std::string> names;
  for (const Client& client : kClients) names.emplace_back(client.name);
  return names;
}

// "hearth" where the shell finds this program under that name, else its path.
std::string program() {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  const char* const variable = std::getenv("PATH");
  std::string_view folders = variable ? variable : "";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
    const fs::path candidate = fs::path(folder) / "hearth";
    if (!fs::exists(candidate, failed)) continue;
    if (fs::equivalent(candidate, self, failed)) return "hearth";
    break;
  }
  return "'" + self.string() + "'";
}

std::string filled(std::string_view text, const std::string& url, const Options& options) {
  std::string out(text);
  auto replace = [&](std::string_view what, const std::string& with) {
    for (size_t at = 0; (at = out.find(what, at)) != out.npos; at += with.size())
      out.replace(at, what.size(), with);
  };
  replace("{url}", url);
  replace("{model}", options.model);
  if (!options.token.empty()) replace("$(hearth token show)", options.token);
  replace("{token}", options.token);
  replace("$(hearth ", "$(" + program() + " ");
  return out;
}

// What goes into quotes of shells, TOML, YAML and JSON alike.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("._:/@+-").find(c) != std::string_view::npos;
  });
}

int run(const Common& common, const Options& asked) {
  Options options = asked;
  for (const std::string* text : {&options.model, &options.token})
    if (!is_plain(*text))
      return fail({Errc::invalid,
                   fmt::format("\"{}\": expected letters, digits and any of ._:/@+-", *text)});
  const Client& client = *std::ranges::find(kClients, options.client, &Client::name);
  std::string url;
  if (auto daemon = find_daemon(common.folders)) {
    url = daemon->url;
  } else {
    auto config = load_config(common.config_files);
    if (!config) return fail(config.error());
    url = fmt::format("http://127.0.0.1:{}", config->server.port);
    fmt::print(stderr, "note: no daemon is running; this is where it will be: {}\n", url);
  }
  if (options.token.empty() && client.configuration.find("{token}") != std::string_view::npos) {
    auto token = owner_token(common);
    if (!token) return fail(token.error());
    options.token = std::move(*token);
  }
  fmt::print("{}", filled(client.configuration, url, options));
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", client.name, filled(client.how, url, options));
  return 0;
}

}  // namespace

Command setup() {
  auto declare = [](Form& form, Options& options) {
    form.option("client", options.client, "Which one").required().one_of(client_names());
    form.option("-m,--model", options.model, "auto, local, a target or a model");
    form.option("--token", options.token, "A named token to write in (default: the owner's)");
  };
  return command("setup", "Print the configuration that points a client here", run, declare);
}

}  // namespace hearth::cli
