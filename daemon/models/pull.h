// Gets a model into the store: the default one, one of the hub, or a file that is here already.
//
// Blocking, for the command line; one process pulls one model at a time. What the network refuses
// is an error that names host, status and the next step; nothing half-done is visible in the store,
// and what was downloaded stays for the next try.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "models/store.h"
#include "outbound/http_client.h"
#include "support/result.h"

namespace hearth::models {

struct DefaultModel {};
struct LocalFile {
  std::string path;
};
struct HubModel {     // hf:ORG/REPO, hf:ORG/REPO:QUANT or hf:ORG/REPO/FILE
  std::string repo;   // "ORG/REPO"
  std::string quant;  // "Q4_K_M"; empty: the best known choice of the repository
  std::string file;   // a file of the repository; empty: chosen by quant
};
using Reference = std::variant<DefaultModel, LocalFile, HubModel>;

// "" is the default model. Errors say which forms exist.
Result<Reference> parse_reference(std::string_view text);

struct PullProgress {
  std::string file;
  uint64_t n_done = 0;
  uint64_t n_total = 0;  // 0: unknown
};

struct PullOptions {
  std::string name;                                   // empty: derived from the reference
  std::function<void(const PullProgress&)> progress;  // called at most a few times a second
  EgressSink on_egress;  // told of every transfer; empty: the log alone
};

Result<StoredModel> pull(const Store& store, const Reference& reference,
                         const PullOptions& options);

// "NAME-00002-of-00003.gguf" is the second part of a model in three.
struct Shard {
  std::string_view stem;  // of the given name: what stands before the numbers
  unsigned index = 0, count = 0;

  // Both are parts of one model.
  bool goes_with(const Shard& other) const { return stem == other.stem && count == other.count; }
};
std::optional<Shard> shard_of(std::string_view file);

// Name for a file or repository: lower case, without directory, extension and shard number.
std::string derive_name(std::string_view file_or_repo);

// The name under which a user's file is linked in the store, of the characters that it takes; keeps
// the numbers of a shard.
std::string link_name(std::string_view file);

// SHA-256 of a file as hex.
Result<std::string> sha256_of(const std::string& path);

// Architecture, context and KV size of the model at `path`, read by `hearth dev inspect` in a
// process of its own, since a model file is hostile. An error, which names `path`, when it is not a
// model.
Result<> read_facts(StoredModel& model, const std::string& path);

// Each kind of source; pull() dispatches.
Result<StoredModel> pull_default(const Store& store, const PullOptions& options);
Result<StoredModel> pull_file(const Store& store, const LocalFile& file,
                              const PullOptions& options);
Result<StoredModel> pull_hub(const Store& store, const HubModel& model, const PullOptions& options);

}  // namespace hearth::models
