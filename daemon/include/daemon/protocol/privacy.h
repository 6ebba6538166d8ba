// privacy/*: what labelled files are known, and the acts by which a text loses a label.
// Plain data, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "router/labeller.h"
#include "support/record.h"

namespace hearth::protocol {

struct Declassify {
  std::string text;   // digest, as label causes show it: 32 hexadecimal digits
  std::string label;  // "*": all
  std::string who;
  std::string why;
  static void fields(auto& self, auto&& field) {
    field("text", self.text);
    field("label", self.label);
    field("who", self.who);
    field("why", self.why);
  }
};

struct PrivacyState {
  router::WorkspaceReport workspace;
  std::vector<router::Declassified> declassified;
  static void fields(auto& self, auto&& field) {
    field("workspace", self.workspace);
    field("declassified", self.declassified);
  }
};

}  // namespace hearth::protocol
