// `hearth quantize`: a model in another type; no daemon.
#include "cli/commands.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "inference/entry_points.h"

namespace hearth::cli {

namespace {

using Options = engine::QuantizeOptions;

int run(const Common& common, const Options& options) {
  Options with_path = options;
  auto in = model_path(common, options.in);
  if (!in) return fail(in.error());
  with_path.in = std::move(*in);
  auto done = engine::quantize(with_path);
  return done ? 0 : fail(done.error());
}

}  // namespace

Command quantize() {
  auto declare = [](Form& form, Options& options) {
    form.option("in", options.in, "The model: a GGUF, best in F16, BF16 or F32").required();
    form.option("out", options.out, "The file to write").required();
    form.option("type", options.type, "One of " + engine::quantize_types()).required();
    form.option("-t,--threads", options.n_threads, "Default: all cores");
    form.flag("-q,--quiet", options.is_quiet, "No progress");
  };
  return command("quantize", "Write a model in another type (needs no daemon)", run, declare)
      .anywhere();
}

}  // namespace hearth::cli
