// An engine child that speaks the real frames and computes nothing: it loads any model but
// "broken", dies of answering as "crash", and else answers each request with the model's name. Used
// where a test is about who is asked.
#include <unistd.h>

#include <cstdint>
#include <string>

#include "inference/engine_messages.h"

using namespace hearth;
using namespace hearth::engine;

namespace {

constexpr int kSocket = 3;

bool read_exactly(char* data, size_t size) {
  while (size > 0) {
    ssize_t n = ::read(kSocket, data, size);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void say(const FromEngine& message) {
  std::string frame = encode_frame(message);
  if (::write(kSocket, frame.data(), frame.size()) < 0) ::_exit(1);
}

ModelFacts facts_of(const std::string& model) {
  ModelFacts facts;
  facts.switches_thinking = facts.knows_effort = model == "echo";
  return facts;
}

void answer(const Load& load) {
  if (load.model == "broken")
    say(LoadFailed{load.model, {Errc::corrupt, "broken: not a model file"}});
  else
    say(Loaded{load.model, facts_of(load.model), 0});
}

void answer(const Generate& generate) {
  say(Accepted{generate.request, 7, 0});
  if (generate.model == "crash") ::_exit(3);
  const bool is_echo = generate.model == "echo";  // of what its template would be given
  StreamDelta answer;
  answer.text = is_echo ? generate.body.template_variables.text : generate.model + " answers";
  say(Delta{generate.request, std::move(answer)});
  Done done;
  done.request = generate.request;
  done.usage.n_prompt = 7;
  say(done);
}

void answer(const Unload& unload) { say(Unloaded{unload.model}); }
void answer(const Cancel&) {}
void answer(const engine::Query&) {}

}  // namespace

int main() {
  uint32_t size = 0;
  while (read_exactly(reinterpret_cast<char*>(&size), sizeof size)) {
    std::string payload(size, '\0');
    if (!read_exactly(payload.data(), size)) return 1;
    auto message = decode_to_engine(payload);
    if (!message) return 1;
    std::visit([](const auto& each) { answer(each); }, *message);
  }
}
