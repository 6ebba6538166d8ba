// `hearth pull`, `models`, `models rm`: files only, no daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "models/fit.h"
#include "models/pull.h"
#include "models/store.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

models::Store store_of(const Common& common) {
  return models::Store(path::join(common.folders.data, "models"));
}

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

// A bar on a terminal, a line per tenth elsewhere.
struct ProgressBar {
  int last_tenth = -1;
  bool is_drawn = false;

  void draw(const models::PullProgress& at) {
    double share =
        at.n_total ? static_cast<double>(at.n_done) / static_cast<double>(at.n_total) : 0;
    std::string counts = fmt::format("{} of {}", size_text(at.n_done), size_text(at.n_total));
    if (is_terminal(STDERR_FILENO)) {
      constexpr int kWidth = 30;
      int n_full = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
      fmt::print(stderr, "\r{} [{:=<{}}{: <{}}] {:3.0f} % {}\x1b[K", at.file, "", n_full, "",
                 kWidth - n_full, share * 100, counts);
      is_drawn = true;
    } else if (int tenth = static_cast<int>(share * 10); tenth > last_tenth) {
      fmt::print(stderr, "{}: {:.0f} % ({})\n", at.file, share * 100, counts);
      last_tenth = tenth;
    }
  }
  void end() const {
    if (is_drawn) fmt::print(stderr, "\n");
  }
};

}  // namespace

int pull(const Common& common, const PullOptions& options) {
  auto reference = models::parse_reference(options.reference);
  if (!reference) return fail(reference.error());
  ProgressBar bar;
  models::PullOptions how;
  how.name = options.name;
  how.progress = [&](const models::PullProgress& at) { bar.draw(at); };
  auto model = models::pull(store_of(common), *reference, how);
  bar.end();
  if (!model) return fail(model.error());
  fmt::print(stderr, "{} is ready ({}{})\n", model->name, size_text(size_of(*model)),
             model->is_linked ? ", linked" : "");
  if (model->source == "default")
    fmt::print(stderr,
               "It is a small demonstration; for a better one: hearth pull "
               "hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M\n");
  return 0;
}

int list_models(const Common& common, uint64_t model_memory_bytes) {
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

int remove_model(const Common& common, const std::string& name) {
  if (auto removed = store_of(common).remove(name); !removed) return fail(removed.error());
  fmt::print(stderr, "{} is removed\n", name);
  return 0;
}

std::string model_path(const Common& common, const std::string& path_or_name) {
  if (path_or_name.find('/') != path_or_name.npos || path_or_name.ends_with(".gguf"))
    return path_or_name;
  auto stored = store_of(common).find(path_or_name);
  return stored ? stored->path : path_or_name;
}

}  // namespace hearth::cli
