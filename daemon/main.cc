// hearth: one binary. `serve` is the daemon; `engine` is its child process; `dev` is for people who
// work on models; everything else is a client of the daemon or works on files.
#include <fcntl.h>
#include <unistd.h>

#include <span>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "inference/entry_points.h"

namespace {

using namespace hearth::cli;

// As `hearth --help` lists them.
std::vector<Command> commands() {
  return {
      serve(),
      chat(),
      complete(),
      status(),
      stop(),
      pull(),
      models_list().with({models_load(), models_rm(), models_recommend()}),
      group("config", "Work on the configuration", {config_check()}),
      doctor(),
      logs(),
      gc(),
      group("token", "Work on access tokens",
            {token_create(), token_list(), token_revoke(), token_rotate(), token_show()}),
      setup(),
      group("bench", "Measure speed on this machine", {bench_engine()}),
      group("route", "Work on where requests go",
            {route_explain(), route_replay(), route_simulate(), route_trial()}),
      group("policy", "Work on the policy", {policy_check(), policy_show(), policy_test()}),
      declassify(),
      egress_list().with({egress_verify()}),
      ledger().with({ledger_export(), ledger_unknown(), ledger_settle()}),
      prices().with({prices_diff()}),
      completion(commands),
      quantize(),
      group("dev", "For people who work on models",
            {dev_logits(), dev_embed(), dev_tokenize(), dev_detokenize(), dev_template(),
             dev_inspect(), dev_synth()})
          .anywhere(),
  };
}

// Whoever starts this may have closed 0, 1 or 2: what is opened next must not become one of them.
void hold_standard_streams() {
  int fd = 0;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_streams();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "engine")  // the daemon's child, not for people
    return hearth::engine::engine_main(std::span(arguments).subspan(1));
  return run_command_line(arguments, commands(), version_text);
}
