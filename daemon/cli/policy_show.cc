// `hearth policy show`: the policy in force, in words, with the models that are pulled.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "router/policy_words.h"
#include "service/model_catalog.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

int run(const Common& common) {
  auto config = load_config(common.config_files);
  if (!config) return fail(config.error());
  // The daemon makes a target of every pulled model.
  ModelCatalog catalog(models::Store(path::join(common.folders.data, "models")),
                       std::make_shared<const Config>(std::move(*config)));
  const router::PolicyView view = router::view_of(*catalog.policy());
  if (common.json)
    fmt::print("{}\n", json::encode(view));
  else
    fmt::print("{}", printable(router::in_words(view)));
  return 0;
}

}  // namespace

Command policy_show() {
  return command("show", "The policy in force in words: which targets may see what", run,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
