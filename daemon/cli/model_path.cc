#include "cli/model_path.h"

#include <fmt/format.h>
#include <unistd.h>

namespace hearth::cli {

models::Store store_of(const Common& common) {
  return models::Store(path::join(common.folders.data, "models"));
}

Result<std::string> model_path(const Common& common, const std::string& path_or_name) {
  if (path_or_name.find('/') != path_or_name.npos || path_or_name.ends_with(".gguf"))
    return path_or_name;
  // Without it the current folder would be the data folder.
  const bool has_store = !common.folders.data.empty();
  if (has_store)
    if (auto stored = store_of(common).find(path_or_name)) return stored->path;
  if (::access(path_or_name.c_str(), F_OK) == 0) return path_or_name;
  if (!has_store)
    return Error{Errc::not_found,
                 fmt::format("\"{}\" is no file, and without a home there are no stored models: "
                             "set HOME, or give a path",
                             path_or_name)};
  std::string names;
  for (const models::StoredModel& model : store_of(common).list())
    names += (names.empty() ? "" : ", ") + model.name;
  return Error{
      Errc::not_found,
      fmt::format("\"{}\" is neither a file nor a stored model; stored are: {}", path_or_name,
                  names.empty() ? "none (get one with `hearth pull`)" : names)};
}

}  // namespace hearth::cli
