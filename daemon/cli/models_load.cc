// `hearth models load`: before the first request asks for it, or after the daemon gave it up.
#include "cli/models_load.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/model.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string name;
};

int run(const Common& common, const Options& options) {
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  protocol::ModelName which{options.name};
  auto loaded = client->call<protocol::ModelLoaded>("model/load", which);
  if (!loaded) return fail(loaded.error());
  fmt::print("{}", common.json ? json::encode(*loaded) + "\n"
                               : describe_loaded(loaded->model, loaded->facts));
  return 0;
}

}  // namespace

std::string describe_loaded(const std::string& model, const engine::ModelFacts& facts) {
  std::string text =
      fmt::format("  loaded: {}, context of {} tokens, weights {}, KV cache {}\n", printable(model),
                  facts.n_context, size_text(facts.weights_bytes), size_text(facts.kv_bytes));
  for (const std::string& note : facts.notes) text += fmt::format("    {}\n", printable(note));
  return text;
}

Command models_load() {
  return command("load", "Load a model now, also one that was given up", run,
                 [](Form& form, Options& options) {
                   form.option("name", options.name, "As `hearth models` lists it").required();
                   form.json();
                 });
}

}  // namespace hearth::cli
