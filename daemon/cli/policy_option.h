// A policy as a command line names it.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "router/policy.h"
#include "support/result.h"

namespace hearth::cli {

// "": the one in force, with a target for every pulled model, as the daemon has it. Else a file, or
// the name of the one in force.
Result<std::shared_ptr<const router::Policy>> policy_named(const Common& common,
                                                           const std::string& name);

// Where the daemon keeps decisions and what they cost.
std::string ledger_folder(const Common& common);

}  // namespace hearth::cli
