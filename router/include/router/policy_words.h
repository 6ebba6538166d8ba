// A policy in words and as a table: who may see what, class by class. Every entry is asked of
// decide(), so that it says what would happen and not what was meant.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/policy.h"

namespace hearth::router {

struct TargetView {
  std::string name, kind, model;
  Trust trust = Trust::local;
  std::map<std::string, std::string> facts;  // those that are known: publisher, licence, ...
  std::vector<std::string> efforts;          // that it may be asked for; empty: as it does
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("kind", self.kind);
    field("model", self.model);
    field("trust", self.trust);
    field("facts", self.facts);
    field.or_default("efforts", self.efforts);
  }
};

struct LabelView {
  std::string name;
  Trust trust = Trust::local;
  std::vector<std::string> match;
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("trust", self.trust);
    field("match", self.match);
  }
};

// Of requests of one class that carry one label.
struct SightView {
  std::string label;                            // "": none
  std::vector<std::string> targets;             // that may see them, the first choice first
  std::map<std::string, std::string> excluded;  // the others, and why
  static void fields(auto& self, auto&& field) {
    field("label", self.label);
    field("targets", self.targets);
    field("excluded", self.excluded);
  }
};

struct ClassView {
  std::string name;
  std::vector<SightView> sights;
  static void fields(auto& self, auto&& field) {
    field("class", self.name);
    field("sights", self.sights);
  }
};

struct PolicyView {
  std::string name, hash;
  Trust trust_floor = Trust::retained;
  OnNoTarget on_no_target = OnNoTarget::refuse;
  std::vector<std::string> roots;
  std::vector<TargetView> targets;
  std::vector<LabelView> labels;
  std::vector<ClassView> classes;
  std::vector<std::string> notes;  // what to know or to mend
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("hash", self.hash);
    field("trustFloor", self.trust_floor);
    field("onNoTarget", self.on_no_target);
    field("roots", self.roots);
    field("targets", self.targets);
    field("labels", self.labels);
    field("classes", self.classes);
    field("notes", self.notes);
  }
};

PolicyView view_of(const Policy& policy);

// For people, in lines.
std::string in_words(const PolicyView& view);

}  // namespace hearth::router
