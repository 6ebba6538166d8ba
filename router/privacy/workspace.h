// The labelled files of the workspace: which there are, and an index of their texts.
//
// walk() is for a worker: it stats every file below the roots, reads those that a rule labels and
// that are new or changed, and gives the next state; what it is given stays as it is. Text that a
// labelled file held earlier in this process's life stays in the index: it may still be quoted.
//
// Bounds: kMaxEntries fingerprints (64 MB, about 20 MB of labelled text) and kMaxFileBytes of a
// file; what goes beyond is counted in `left_out` and only known by its path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "privacy/shingles.h"
#include "router/policy.h"

namespace hearth::router {

struct LabelledFile {
  std::string path;                 // below its root, for people
  std::vector<std::string> labels;  // sorted
};

struct Workspace {
  static constexpr size_t kMaxEntries = 4u << 20;
  static constexpr uint64_t kMaxFileBytes = 16u << 20;

  struct Seen {
    int64_t time_ns = 0;  // of the last change
    uint64_t size = 0, inode = 0;
    uint32_t owner = 0;  // place in `files`; kNotIndexed: no text of it is in the index
  };
  static constexpr uint32_t kNotIndexed = UINT32_MAX;

  uint64_t generation = 0;          // grows when the index holds more than before
  std::vector<LabelledFile> files;  // owners of the index
  ShingleIndex index;
  std::unordered_map<std::string, Seen> seen;  // labelled files by absolute path
  std::vector<std::string> folders;            // all that were walked: what to watch
  size_t n_labelled = 0;                       // files that a rule labels
  size_t left_out = 0;                         // of these, known by their path alone
  std::vector<std::string> unreadable;         // roots that are not there
};

// Folders to walk: the policy's roots, and what lies before the first wildcard of a rule with an
// absolute path.
std::vector<std::string> roots_of(const Policy& policy);

// `before` may be null; it is returned when nothing has changed.
std::shared_ptr<const Workspace> walk(const std::vector<std::string>& roots,
                                      const std::vector<LabelRule>& rules,
                                      std::shared_ptr<const Workspace> before);

}  // namespace hearth::router
