// `hearth dev ...`: what people who work on models call. Standard input and output carry the data.
#include "cli/commands.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "inference/entry_points.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string model;  // path or stored name; of dev_template() and dev_synth() a file and a shape
  std::string tokens, out, type;
  bool exact = false, special = false;
};

int status_of(const Result<>& done) { return done ? 0 : fail(done.error()); }

// `work` with the model's path.
template <class Work>
int with_model(const Common& common, const Options& options, const Work& work) {
  auto path = model_path(common, options.model);
  return path ? status_of(work(*path)) : fail(path.error());
}

void take_model(Form& form, Options& options) {
  form.option("model", options.model, "A path or a stored model's name").required();
}

void take_tokens(Form& form, Options& options) {
  form.option("--tokens", options.tokens, "Token ids: 1,2,3").required();
}

void take_out(Form& form, Options& options) {
  form.option("--out", options.out, "The file to write").required();
}

}  // namespace

Command dev_logits() {
  auto run = [](const Common& common, const Options& options) {
    return with_model(common, options, [&](const std::string& model) {
      return engine::dev_logits(model, options.tokens, options.out, options.exact);
    });
  };
  auto declare = [](Form& form, Options& options) {
    take_model(form, options);
    take_tokens(form, options);
    take_out(form, options);
    form.flag("--exact", options.exact, "In float32 throughout: slow, the reference");
  };
  return command<Options>("logits",
                          "Every position's logits: float32, little-endian, [tokens, vocabulary]",
                          run, declare);
}

Command dev_embed() {
  auto run = [](const Common& common, const Options& options) {
    return with_model(common, options, [&](const std::string& model) {
      return engine::dev_embed(model, options.tokens);
    });
  };
  auto declare = [](Form& form, Options& options) {
    take_model(form, options);
    take_tokens(form, options);
  };
  return command<Options>("embed", "The embedding of a text, as a JSON array", run, declare);
}

Command dev_tokenize() {
  auto run = [](const Common& common, const Options& options) {
    return with_model(common, options, [&](const std::string& model) {
      return engine::dev_tokenize(model, options.special);
    });
  };
  auto declare = [](Form& form, Options& options) {
    take_model(form, options);
    form.flag("--special", options.special,
              "Read control tokens; add BOS and EOS as the model does");
  };
  return command<Options>("tokenize", "Text on stdin, its token ids out as a JSON array", run,
                          declare);
}

Command dev_detokenize() {
  auto run = [](const Common& common, const Options& options) {
    return with_model(common, options, engine::dev_detokenize);
  };
  return command<Options>("detokenize", "A JSON array of token ids on stdin, their text out", run,
                          take_model);
}

Command dev_template() {
  auto run = [](const Common&, const Options& options) {
    return status_of(engine::dev_template(options.model));
  };
  auto declare = [](Form& form, Options& options) {
    form.option("file", options.model, "A chat template (Jinja)").required();
  };
  return command<Options>(
      "template", "A JSON object of variables on stdin, the rendered template out", run, declare);
}

Command dev_inspect() {
  auto run = [](const Common& common, const Options& options) {
    return with_model(common, options, [&](const std::string& model) {
      return engine::dev_inspect(model, common.json);
    });
  };
  auto declare = [](Form& form, Options& options) {
    take_model(form, options);
    form.json();
  };
  return command<Options>("inspect", "A model's metadata and tensors", run, declare);
}

Command dev_synth() {
  auto run = [](const Common&, const Options& options) {
    return status_of(engine::dev_synth(options.model, options.type, options.out));
  };
  auto declare = [](Form& form, Options& options) {
    form.option("shape", options.model, "One of " + engine::synthetic_shapes()).required();
    form.option("--type", options.type, "One of " + engine::quantize_types()).required();
    take_out(form, options);
  };
  return command<Options>("synth", "Write a model of random weights in a given shape", run,
                          declare);
}

}  // namespace hearth::cli
