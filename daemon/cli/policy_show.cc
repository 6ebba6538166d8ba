// `hearth policy show`: the policy in force, in words, with the models that are pulled. While the
// files are wrong, that is the one which the daemon has kept.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "daemon/protocol/model.h"
#include "router/policy_words.h"
#include "service/model_catalog.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

// As the running daemon has it.
Result<Config> kept_config(const Common& common) {
  auto client = connect_to_daemon(common.folders);
  if (!client) return client.error();
  auto kept = client->call<protocol::ConfigText>("config/get", protocol::Empty{});
  if (!kept) return kept.error();
  return parse_config(kept->toml, kept->path);
}

router::PolicyView view_of(const Common& common, Config config) {
  // The daemon makes a target of every pulled model.
  ModelCatalog catalog(models::Store(path::join(common.folders.data, "models")),
                       std::make_shared<const Config>(std::move(config)));
  return router::view_of(*catalog.policy());
}

int run(const Common& common) {
  auto config = load_config(common.config_files);
  const std::string fault = config ? "" : config.error().message;
  if (!config) config = kept_config(common);
  if (!config) {
    fmt::print(stderr, "hearth: {}\nhearth: no policy is in force: {}\n", printable(fault),
               printable(config.error().message));
    return kFailed;
  }
  const router::PolicyView view = view_of(common, std::move(*config));
  if (common.json) {
    json::Value shown = json::to_value(view);
    if (!fault.empty()) shown.as_object()["fault"] = fault;
    fmt::print("{}\n", boost::json::serialize(shown));
  } else {
    if (!fault.empty())
      fmt::print("{}\nThat is wrong, and not in force. In force is what the daemon has kept:\n\n",
                 printable(fault));
    fmt::print("{}", printable(router::in_words(view)));
  }
  return fault.empty() ? 0 : kFailed;
}

}  // namespace

Command policy_show() {
  return command("show", "The policy in force in words: which targets may see what", run,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
