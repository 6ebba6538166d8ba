#include "cli/policy_option.h"

#include <fmt/format.h>
#include <unistd.h>

#include "config/config.h"
#include "router/policy_file.h"
#include "service/model_catalog.h"
#include "support/file.h"
#include "support/path.h"

namespace hearth::cli {

Result<std::shared_ptr<const router::Policy>> policy_named(const Common& common,
                                                           const std::string& name) {
  if (!name.empty() && ::access(name.c_str(), F_OK) == 0) {
    auto text = file::read(name, 1 << 20);
    if (!text) return text.error();
    auto policy = router::parse_policy(*text, name);
    if (!policy) return policy.error();
    return std::make_shared<const router::Policy>(std::move(*policy));
  }
  auto config = load_config(common.config_files);
  if (!config) return config.error();
  if (!name.empty() && config->policy.name != name)
    return Error{
        Errc::not_found,
        fmt::format("no policy \"{}\": it is no file, and the one in force is called \"{}\"", name,
                    config->policy.name)};
  ModelCatalog catalog(models::Store(path::join(common.folders.data, "models")),
                       std::make_shared<const Config>(std::move(*config)));
  return catalog.policy();
}

std::string ledger_folder(const Common& common) {
  return path::join(common.folders.state, "ledger");
}

}  // namespace hearth::cli
