// Keys from the user's Secret Service (the keyring of the desktop), through secret-tool:
//
//   secret-tool store --label "Hearth: deepseek" service hearth key deepseek
//
// and key_secret = "deepseek" at the target. The key comes over a pipe: it is in no argument, no
// environment and no file. It is kept for some minutes, so that not every request starts a program.
// Lives on the loop thread.
#pragma once

#include <map>
#include <string>

#include "support/clock.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::router {

class SecretService {
 public:
  explicit SecretService(Clock& clock) : clock_(clock) {}

  // Errc::denied when there is none of that name, no secret-tool, or no answer in some seconds.
  Task<Result<std::string>> lookup(std::string name);
  // After a refusal: it may have been replaced.
  void forget(const std::string& name) { known_.erase(name); }

 private:
  struct Known {
    std::string key;
    Clock::Time until;
  };
  Clock& clock_;
  std::map<std::string, Known> known_;
};

}  // namespace hearth::router
