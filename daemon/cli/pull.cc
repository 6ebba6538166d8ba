// `hearth pull`: a model into the store; no daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "egress/ledger.h"
#include "models/fit.h"
#include "models/pull.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string reference;  // empty: the default model; hf:ORG/REPO[:QUANT], hf:ORG/REPO/FILE, a path
  std::string name;       // --name: stored under this name
};

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

egress::Record record_of(const Egress& transfer) {
  egress::Record record;
  record.time_ms = now_ms();
  record.hosts = transfer.hosts;
  record.method = transfer.method;
  record.status = transfer.status;
  record.n_sent = transfer.n_sent;
  record.n_received = transfer.n_received;
  record.cause = "pull";
  return record;
}

int run(const Common& common, const Options& options) {
  auto reference = models::parse_reference(options.reference);
  if (!reference) return fail(reference.error());
  ProgressBar bar;
  models::PullOptions how;
  how.name = options.name;
  how.progress = [&](const models::PullProgress& at) { bar.draw(at); };
  auto ledger = egress::Ledger::open(path::join(common.folders.state, "egress"));
  if (!ledger) return fail(ledger.error());
  how.on_egress = [&](const Egress& transfer) { (void)ledger->append(record_of(transfer)); };
  auto model = models::pull(store_of(common), *reference, how);
  bar.end();
  if (!model) return fail(model.error());
  fmt::print(stderr, "{} is ready ({}{})\n", model->name, size_text(models::size_of(*model)),
             model->is_linked ? ", linked" : "");
  if (model->source == "default")
    fmt::print(stderr,
               "It is a small demonstration; for a better one: hearth pull "
               "hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M\n");
  return 0;
}

}  // namespace

Command pull() {
  auto declare = [](Form& form, Options& options) {
    form.option("model", options.reference,
                "hf:ORG/REPO[:QUANT], hf:ORG/REPO/FILE or a path to a GGUF; default: the "
                "demonstration model");
    form.option("--name", options.name, "Store it under this name");
  };
  return command("pull", "Get a model (needs no daemon)", run, declare);
}

}  // namespace hearth::cli
