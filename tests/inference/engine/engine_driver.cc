#include "inference/engine/engine_driver.h"

#include <type_traits>

namespace hearth::testing {

EngineDriver::EngineDriver()
    : engine({.emit = [this](const engine::FromEngine& event) { on(event); },
              .clock = [this] { return now += per_look; },
              .unix_time_s = [] { return int64_t{1700000000}; },
              .wake = [this] { woken_.release(); },
              .snapshot = &shared}) {}

std::optional<Error> EngineDriver::load(const ModelImage& image, engine::ModelSettings settings,
                                        const std::string& name) {
  settings.n_threads = 1;
  load_error_.reset();
  engine.handle(engine::Load{name, folder_.write(name + ".gguf", image.build()), settings});
  settle();
  return load_error_;
}

uint64_t EngineDriver::start(CompletionRequest body, const std::string& model) {
  uint64_t request = ++last_request_;
  engine.handle(engine::Generate{request, model, std::move(body)});
  settle();
  return request;
}

void EngineDriver::settle() {
  while (engine.is_waiting()) {
    woken_.acquire();
    engine.collect();
  }
}

bool EngineDriver::run() {
  for (int steps = 0; steps < 100000; ++steps)
    if (!engine.step()) return true;
  return false;
}

Answer EngineDriver::answer(CompletionRequest body) {
  uint64_t request = start(std::move(body));
  run();
  return answers[request];
}

void EngineDriver::on(const engine::FromEngine& event) {
  auto note = [&](const char* kind, uint64_t request) {
    events.push_back(kind + (" " + std::to_string(request)));
  };
  std::visit(
      [&]<class E>(const E& e) {
        if constexpr (std::is_same_v<E, engine::Loaded>) {
          facts[e.model] = e.facts;
        } else if constexpr (std::is_same_v<E, engine::LoadFailed>) {
          load_error_ = e.error;
        } else if constexpr (std::is_same_v<E, engine::Unloaded>) {
          facts.erase(e.model);
        } else if constexpr (std::is_same_v<E, engine::Answered>) {
          answered[e.request] = e;
        } else {
          Answer& answer = answers[e.request];
          if constexpr (std::is_same_v<E, engine::Accepted>) {
            note("accepted", e.request);
            answer.accepted = e;
          } else if constexpr (std::is_same_v<E, engine::Delta>) {
            const StreamDelta& delta = e.delta;
            if (delta.kind == StreamDelta::Kind::progress) {
              note("progress", e.request);
              answer.progress.push_back(delta);
              return;
            }
            note("delta", e.request);
            const bool is_reasoning = delta.kind == StreamDelta::Kind::reasoning;
            (is_reasoning ? answer.reasoning : answer.text) += delta.text;
            answer.message.role = Role::assistant;
            append(answer.message, delta);
            answer.deltas.push_back(delta.text);
            answer.logprobs.insert(answer.logprobs.end(), delta.logprobs.begin(),
                                   delta.logprobs.end());
            answer.tokens.insert(answer.tokens.end(), delta.tokens.begin(), delta.tokens.end());
          } else if constexpr (std::is_same_v<E, engine::Done>) {
            note("done", e.request);
            answer.done = e;
          } else {
            note("failed", e.request);
            answer.failed = e;
          }
        }
      },
      event);
}

CompletionRequest greedy(std::string prompt, uint32_t max_tokens) {
  CompletionRequest body;
  body.prompt = std::move(prompt);
  body.sampling.temperature = 0.f;
  body.max_tokens = max_tokens;
  body.ignore_eos = true;
  return body;
}

}  // namespace hearth::testing
