// `hearth models`, `models rm`: files only, no daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "inference/entry_points.h"
#include "models/fit.h"
#include "models/store.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

std::string describe(const models::Fit& fit, uint64_t n_context_train) {
  if (!fit.is_possible) return "no, needs " + size_text(fit.needed_bytes);
  if (fit.n_context < n_context_train) return fmt::format("{} tokens", fit.n_context);
  return "yes";
}

json::Value row_of(const models::StoredModel& model, uint64_t model_memory_bytes) {
  json::Value row = json::to_value(model);
  models::Fit fit = models::fit(model, model_memory_bytes);
  row.as_object()["path"] = model.path;
  row.as_object()["sizeBytes"] = size_of(model);
  row.as_object()["neededBytes"] = fit.needed_bytes;
  row.as_object()["fittingContext"] = fit.n_context;
  row.as_object()["fitsMemory"] = fit.is_possible;
  return row;
}

int list(const Common& common) {
  const uint64_t model_memory_bytes = engine::model_memory_bytes();
  std::vector<models::StoredModel> models = store_of(common).list();
  uint64_t n_disk = 0;
  for (const models::StoredModel& model : models)
    if (!model.is_linked) n_disk += size_of(model);
  if (common.json) {
    json::Array rows;
    for (const models::StoredModel& model : models)
      rows.push_back(row_of(model, model_memory_bytes));
    json::Object body{{"models", std::move(rows)},
                      {"diskBytes", n_disk},
                      {"memoryBytes", model_memory_bytes},
                      {"folder", store_of(common).folder()}};
    fmt::print("{}\n", boost::json::serialize(body));
    return 0;
  }
  if (models.empty()) {
    fmt::print("no model is pulled; get the demonstration model with `hearth pull`\n");
    return 0;
  }
  fmt::print("{:<36} {:>10} {:>9}  {:<18} {}\n", "NAME", "SIZE", "CONTEXT", "FITS", "SOURCE");
  for (const models::StoredModel& model : models)
    fmt::print("{:<36} {:>10} {:>9}  {:<18} {}\n", model.name, size_text(size_of(model)),
               model.n_context_train,
               describe(models::fit(model, model_memory_bytes), model.n_context_train),
               model.source);
  fmt::print(
      "{} on disk in {}; models may take {} of memory (weights, and the KV cache of the context)\n",
      size_text(n_disk), store_of(common).folder(), size_text(model_memory_bytes));
  return 0;
}

struct Removal {
  std::string name;
};

int remove(const Common& common, const Removal& what) {
  if (auto removed = store_of(common).remove(what.name); !removed) return fail(removed.error());
  fmt::print(stderr, "{} is removed\n", what.name);
  return 0;
}

}  // namespace

Command models_list() {
  return command("models", "List models, load or remove one", list,
                 [](Form& form) { form.json(); });
}

Command models_rm() {
  return command("rm", "Remove a model from the disk", remove, [](Form& form, Removal& what) {
    form.option("name", what.name, "As `hearth models` lists it").required();
  });
}

}  // namespace hearth::cli
