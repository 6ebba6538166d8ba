// Records of model/*, config/* and ops/*.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/protocol/ledger.h"
#include "inference/engine_messages.h"
#include "router/standing.h"
#include "support/record.h"

namespace hearth::protocol {

struct Empty {
  static void fields(auto&, auto&&) {}
};

struct ModelRow {
  std::string id;
  std::vector<std::string> targets;  // names by which the router reaches it
  std::string source;
  uint64_t size_bytes = 0;
  uint64_t n_context_train = 0;
  bool is_loaded = false;
  std::optional<engine::ModelFacts> facts;  // while loaded
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("targets", self.targets);
    field("source", self.source);
    field("sizeBytes", self.size_bytes);
    field("contextTrain", self.n_context_train);
    field("loaded", self.is_loaded);
    field("facts", self.facts);
  }
};

struct ModelList {
  std::vector<ModelRow> models;
  static void fields(auto& self, auto&& field) { field("models", self.models); }
};

struct ModelName {
  std::string model;
  static void fields(auto& self, auto&& field) { field("model", self.model); }
};

struct ModelLoaded {
  std::string model;
  engine::ModelFacts facts;
  static void fields(auto& self, auto&& field) {
    field("model", self.model);
    field("facts", self.facts);
  }
};

struct EngineStats {
  int64_t pid = -1;  // -1: no engine process runs
  uint64_t n_crashes = 0;
  uint32_t n_running = 0;
  uint32_t n_queued = 0;
  uint64_t n_pages_used = 0;
  uint64_t n_pages_total = 0;
  uint64_t n_prefill_tokens = 0;
  uint64_t n_decode_tokens = 0;
  double prefill_tokens_per_s = 0;
  double decode_tokens_per_s = 0;
  std::vector<std::string> loaded;
  static void fields(auto& self, auto&& field) {
    field("pid", self.pid);
    field("crashes", self.n_crashes);
    field("running", self.n_running);
    field("queued", self.n_queued);
    field("kvPagesUsed", self.n_pages_used);
    field("kvPagesTotal", self.n_pages_total);
    field("prefillTokens", self.n_prefill_tokens);
    field("decodeTokens", self.n_decode_tokens);
    field("prefillTokensPerS", self.prefill_tokens_per_s);
    field("decodeTokensPerS", self.decode_tokens_per_s);
    field("loaded", self.loaded);
  }
};

struct ConfigText {
  std::string path;  // of the file in force; empty: defaults only
  std::string toml;  // the effective configuration
  static void fields(auto& self, auto&& field) {
    field("path", self.path);
    field("toml", self.toml);
  }
};

struct Health {
  std::string status = "ok";
  std::string version;
  int64_t pid = 0;
  double uptime_s = 0;
  uint64_t resident_bytes = 0;
  std::string url;
  std::string socket;
  uint32_t n_connections = 0;
  EngineStats engine;
  Spending money;
  std::vector<router::TargetStanding> targets;
  static void fields(auto& self, auto&& field) {
    field("status", self.status);
    field("version", self.version);
    field("pid", self.pid);
    field("uptimeS", self.uptime_s);
    field("residentBytes", self.resident_bytes);
    field("url", self.url);
    field("socket", self.socket);
    field("connections", self.n_connections);
    field("engine", self.engine);
    field.or_default("money", self.money);
    field("targets", self.targets);
  }
};

struct MetricsText {
  std::string text;  // Prometheus exposition format
  static void fields(auto& self, auto&& field) { field("text", self.text); }
};

struct Protocol {
  RawJson methods;  // name -> {params, result}
  RawJson events;   // kind -> fields of its data
  static void fields(auto& self, auto&& field) {
    field("methods", self.methods);
    field("events", self.events);
  }
};

struct Shutdown {
  bool drain = false;  // let running turns end first
  static void fields(auto& self, auto&& field) { field.or_default("drain", self.drain); }
};

struct TokenRotated {
  std::string token;
  static void fields(auto& self, auto&& field) { field("token", self.token); }
};

}  // namespace hearth::protocol
