// Every subcommand, each in a file of this folder; the table in main.cc puts them in order.
#pragma once

#include "cli/command.h"

namespace hearth::cli {

Command serve();
Command chat();
Command complete();
Command status();
Command stop();
Command pull();
Command models_list();
Command models_rm();
Command models_load();
Command models_recommend();
Command config_check();
Command doctor();
Command logs();
Command gc();
Command token_create();
Command token_list();
Command token_revoke();
Command token_rotate();
Command token_show();
Command setup();
Command route_explain();
Command route_replay();
Command route_simulate();
Command route_trial();
Command policy_check();
Command policy_show();
Command policy_test();
Command declassify();
Command egress_list();
Command egress_verify();
Command bench_engine();
Command quantize();
Command dev_logits();
Command dev_embed();
Command dev_tokenize();
Command dev_detokenize();
Command dev_template();
Command dev_inspect();
Command dev_synth();
Command ledger();
Command ledger_export();
Command ledger_unknown();
Command ledger_settle();
Command prices();
Command prices_diff();
Command completion(std::vector<Command> (*commands)());  // of all of them

std::string version_text(const Common& common);  // --version

}  // namespace hearth::cli
