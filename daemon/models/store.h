// Pulled models on disk: $XDG_DATA_HOME/hearth/models. One folder per model:
//
//   models/NAME/model.json     name, source, files with size and SHA-256
//   models/NAME/*.gguf         the file or all shards; a symlink for a local path
//
// Files only, no daemon needed. Any thread; two processes may use it at once (folders appear by
// rename, model.json is written atomically).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/file.h"
#include "support/record.h"
#include "support/result.h"

namespace hearth::models {

struct StoredFile {
  std::string name;
  uint64_t size_bytes = 0;
  std::string sha256;  // hex; empty for a linked file
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("sizeBytes", self.size_bytes);
    field.or_default("sha256", self.sha256);
  }
};

struct StoredModel {
  std::string name;    // as used in configs and requests: "smollm2-135m-instruct"
  std::string source;  // "default", "hf:ORG/REPO:QUANT", "file:/abs/path"
  std::string path;    // of the GGUF (first shard), absolute; not stored
  std::vector<StoredFile> files;
  bool is_linked = false;
  std::string architecture;      // from the file's metadata, read by `hearth pull` in a child
  uint64_t n_context_train = 0;  // process; 0 and empty: unknown
  uint64_t kv_token_bytes = 0;   // of one token's keys and values in f16, all layers
  std::string licence;           // as the file says it: "apache-2.0"
  std::string publisher;         // "Qwen"
  static void fields(auto& self, auto&& field) {
    field("name", self.name);
    field("source", self.source);
    field("files", self.files);
    field.or_default("isLinked", self.is_linked);
    field.or_default("architecture", self.architecture);
    field.or_default("contextTrain", self.n_context_train);
    field.or_default("kvTokenBytes", self.kv_token_bytes);
    field.or_default("licence", self.licence);
    field.or_default("publisher", self.publisher);
  }
};

// Name of the model that `hearth pull` without argument gets, and that "local" means when the
// config names no engine target.
inline constexpr std::string_view kDefaultModel = "smollm2-135m-instruct";

class Store {
 public:
  explicit Store(std::string folder) : folder_(std::move(folder)) {}

  std::vector<StoredModel> list() const;  // by name; broken entries are left out and logged
  std::optional<StoredModel> find(std::string_view name) const;

  // A folder for a download in progress; survives for resuming, by a pull of the same source.
  struct Draft {
    std::string folder;
    file::Descriptor lock;  // while it is open, nobody else begins
  };
  // A name stands for one source: Errc::invalid says which where it is another's, Errc::busy that a
  // pull of this name is under way. With the same source again, commit() replaces what is there.
  Result<Draft> begin(std::string_view name, std::string_view source) const;
  // Renames the folder into place; its Draft is still held.
  Result<StoredModel> commit(StoredModel model) const;
  Result<> remove(std::string_view name) const;  // not_found names what exists
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace hearth::models
