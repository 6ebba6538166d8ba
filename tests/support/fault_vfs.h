// A SQLite file system that fails on command and knows what a power loss would leave.
//
// Problem: SIGKILL proves that the log's protocol recovers, not that fsync is called where it must
// be: the page cache survives the process, and even synchronous=OFF would pass. Idea: write through
// to real files, and beside them keep, per file, the bytes that are surely on the disk and the list
// of operations since the last sync. A power loss then leaves the sure bytes plus any subset of the
// unsynced operations, each possibly torn at sector borders: a superset of what disks do, since the
// subset includes every reordering. Shared memory (-shm) does not survive.
//
// A sync that fails decides at once, by chance, which of the pending operations reached the disk,
// and forgets the rest: as Linux does, a later successful sync does not bring them back.
//
// Operations that can fail are counted: writes, truncations, syncs, in order, from 1. Deletions are
// taken as durable when they return, creations when the file is first synced.
// Thread-safe. Register before opening, outlive every connection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace hearth::test {

class FaultVfs {
 public:
  enum class Fault : uint8_t { no_space, io_error };

  explicit FaultVfs(uint64_t seed);
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  const std::string& name() const { return name_; }
  uint64_t n_operations() const;

  // Operation `nth` fails, and all after it until heal(). no_space: writes only.
  void fail_from(uint64_t nth, Fault fault);
  void heal();

  // The disk as it may be after a power loss.
  using Disk = std::map<std::string, std::string>;  // path -> bytes
  // What is sure and what is not, at one moment; draws as many disks as are asked for.
  class Moment {
   public:
    Disk draw(std::mt19937_64& random) const;

   private:
    friend class FaultVfs;
    struct Operation {
      int64_t offset = 0;
      std::string bytes;
      bool is_truncate = false;  // to `offset`
    };
    struct File {
      std::string sure;
      bool is_sure_to_exist = false;
      std::vector<Operation> unsure;
    };
    static void apply(std::string& bytes, const Operation& operation, std::mt19937_64* tearing);
    std::map<std::string, File> files_;
  };
  Moment moment() const;

  // Called before each counted operation, and again after each sync, on the thread that does it.
  void on_operation(std::function<void(bool is_after_sync)> callback);

  // For the file methods.
  struct State;

 private:
  std::string name_;
  std::unique_ptr<State> state_;
};

// Writes a disk's files into a folder, by their base names.
void restore(const FaultVfs::Disk& disk, const std::string& folder);

}  // namespace hearth::test
