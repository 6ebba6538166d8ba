#include "support/fault_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace hearth::test {

namespace {

constexpr int64_t kSector = 512;

}  // namespace

struct FaultVfs::State {
  using File = Moment::File;
  using Operation = Moment::Operation;

  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;

  mutable std::mutex mutex;
  std::map<std::string, File> files;
  std::mt19937_64 random;
  uint64_t n_operations = 0;
  uint64_t fails_from = 0;  // 0: never
  Fault fault = Fault::io_error;
  std::function<void(bool)> callback;

  // Counts one; true: it is to fail. A full disk refuses only what needs space.
  bool begins_failing(bool needs_space) {
    std::function<void(bool)> tell;
    {
      std::lock_guard lock(mutex);
      tell = callback;
    }
    if (tell) tell(false);
    std::lock_guard lock(mutex);
    ++n_operations;
    if (fault == Fault::no_space && !needs_space) return false;
    return fails_from != 0 && n_operations >= fails_from;
  }

  void record(const std::string& path, Operation operation) {
    std::lock_guard lock(mutex);
    files[path].unsure.push_back(std::move(operation));
  }

  void settle(const std::string& path, bool has_succeeded) {
    std::lock_guard lock(mutex);
    File& file = files[path];
    file.is_sure_to_exist = true;
    for (const Operation& operation : file.unsure)
      if (has_succeeded || random() % 2) Moment::apply(file.sure, operation, nullptr);
    file.unsure.clear();
  }
};

namespace {

using State = FaultVfs::State;

// Lies in the memory that SQLite gives; the real file follows it.
struct File {
  sqlite3_file base;
  State* state;
  std::string* path;  // null: not recorded (shared memory, temporary files)
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
State* of(sqlite3_vfs* vfs) { return static_cast<State*>(vfs->pAppData); }

int write_code(const State& state) {
  return state.fault == FaultVfs::Fault::no_space ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int close(sqlite3_file* file) {
  int code =
      of(file)->real()->pMethods ? of(file)->real()->pMethods->xClose(of(file)->real()) : SQLITE_OK;
  delete std::exchange(of(file)->path, nullptr);
  return code;
}

int read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  return of(file)->real()->pMethods->xRead(of(file)->real(), data, size, offset);
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  File& self = *of(file);
  if (self.path) {
    if (self.state->begins_failing(true)) return write_code(*self.state);
    self.state->record(*self.path,
                       {offset, std::string(static_cast<const char*>(data), size_t(size)), false});
  }
  return self.real()->pMethods->xWrite(self.real(), data, size, offset);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  File& self = *of(file);
  if (self.path) {
    if (self.state->begins_failing(false)) return SQLITE_IOERR_TRUNCATE;
    self.state->record(*self.path, {size, {}, true});
  }
  return self.real()->pMethods->xTruncate(self.real(), size);
}

// The real sync is left out: what survives is decided here.
int sync(sqlite3_file* file, int) {
  File& self = *of(file);
  if (!self.path) return SQLITE_OK;
  bool fails = self.state->begins_failing(false);
  self.state->settle(*self.path, !fails);
  if (fails) return SQLITE_IOERR_FSYNC;
  std::function<void(bool)> tell;
  {
    std::lock_guard lock(self.state->mutex);
    tell = self.state->callback;
  }
  if (tell) tell(true);
  return SQLITE_OK;
}

int size(sqlite3_file* file, sqlite3_int64* out) {
  return of(file)->real()->pMethods->xFileSize(of(file)->real(), out);
}
int lock(sqlite3_file* file, int level) {
  return of(file)->real()->pMethods->xLock(of(file)->real(), level);
}
int unlock(sqlite3_file* file, int level) {
  return of(file)->real()->pMethods->xUnlock(of(file)->real(), level);
}
int check_lock(sqlite3_file* file, int* out) {
  return of(file)->real()->pMethods->xCheckReservedLock(of(file)->real(), out);
}

// Hints that would write past the recording are declined.
int control(sqlite3_file* file, int operation, void* argument) {
  if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE)
    return SQLITE_NOTFOUND;
  return of(file)->real()->pMethods->xFileControl(of(file)->real(), operation, argument);
}

int sector_size(sqlite3_file*) { return kSector; }
// No promise about torn or appended writes, so that SQLite makes none either.
int device(sqlite3_file*) { return 0; }

int map_shared(sqlite3_file* file, int page, int page_size, int extend, void volatile** out) {
  return of(file)->real()->pMethods->xShmMap(of(file)->real(), page, page_size, extend, out);
}
int lock_shared(sqlite3_file* file, int offset, int n, int flags) {
  return of(file)->real()->pMethods->xShmLock(of(file)->real(), offset, n, flags);
}
void barrier(sqlite3_file* file) { of(file)->real()->pMethods->xShmBarrier(of(file)->real()); }
int unmap_shared(sqlite3_file* file, int remove) {
  return of(file)->real()->pMethods->xShmUnmap(of(file)->real(), remove);
}

const sqlite3_io_methods kMethods = {2,       close,        read,    write,      truncate,
                                     sync,    size,         lock,    unlock,     check_lock,
                                     control, sector_size,  device,  map_shared, lock_shared,
                                     barrier, unmap_shared, nullptr, nullptr};

int open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* file, int flags, int* out_flags) {
  State* state = of(vfs);
  File& self = *of(file);
  self.state = state;
  self.path = nullptr;
  self.real()->pMethods = nullptr;
  int code = state->real->xOpen(state->real, path, self.real(), flags, out_flags);
  self.base.pMethods = self.real()->pMethods ? &kMethods : nullptr;
  if (code == SQLITE_OK && path) {
    self.path = new std::string(path);
    std::lock_guard lock(state->mutex);
    state->files[*self.path];
  }
  return code;
}

int remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  State* state = of(vfs);
  {
    std::lock_guard lock(state->mutex);
    state->files.erase(path);
  }
  return state->real->xDelete(state->real, path, sync_folder);
}

}  // namespace

FaultVfs::FaultVfs(uint64_t seed) : state_(std::make_unique<State>()) {
  static std::atomic<int> n_registered = 0;
  name_ = "fault-" + std::to_string(++n_registered);
  state_->random.seed(seed);
  state_->real = sqlite3_vfs_find(nullptr);
  // Everything but files goes to the real one as it is.
  state_->vfs = *state_->real;
  state_->vfs.pNext = nullptr;
  state_->vfs.zName = name_.c_str();
  state_->vfs.pAppData = state_.get();
  state_->vfs.szOsFile = static_cast<int>(sizeof(File)) + state_->real->szOsFile;
  state_->vfs.xOpen = open;
  state_->vfs.xDelete = remove;
  sqlite3_vfs_register(&state_->vfs, 0);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&state_->vfs); }

uint64_t FaultVfs::n_operations() const {
  std::lock_guard lock(state_->mutex);
  return state_->n_operations;
}

void FaultVfs::fail_from(uint64_t nth, Fault fault) {
  std::lock_guard lock(state_->mutex);
  state_->fails_from = nth;
  state_->fault = fault;
}

void FaultVfs::heal() { fail_from(0, Fault::io_error); }

void FaultVfs::on_operation(std::function<void(bool)> callback) {
  std::lock_guard lock(state_->mutex);
  state_->callback = std::move(callback);
}

FaultVfs::Moment FaultVfs::moment() const {
  std::lock_guard lock(state_->mutex);
  Moment moment;
  moment.files_ = state_->files;
  return moment;
}

void FaultVfs::Moment::apply(std::string& bytes, const Operation& operation,
                             std::mt19937_64* tearing) {
  auto offset = static_cast<size_t>(operation.offset);
  if (operation.is_truncate) return bytes.resize(offset);
  for (size_t at = 0; at < operation.bytes.size();) {
    size_t sector_end = (offset + at) / kSector * kSector + kSector;
    size_t n = std::min(operation.bytes.size() - at, sector_end - (offset + at));
    if (!tearing || (*tearing)() % 4) {
      if (bytes.size() < offset + at + n) bytes.resize(offset + at + n);
      std::memcpy(bytes.data() + offset + at, operation.bytes.data() + at, n);
    }
    at += n;
  }
}

FaultVfs::Disk FaultVfs::Moment::draw(std::mt19937_64& random) const {
  // Sometimes all of it, sometimes none: the extremes are worth more than their odds.
  enum { some, all, none } extent = random() % 4 == 0 ? (random() % 2 ? all : none) : some;
  Disk disk;
  for (const auto& [path, file] : files_) {
    if (!file.is_sure_to_exist && (extent == none || random() % 2)) continue;
    std::string bytes = file.sure;
    for (const Operation& operation : file.unsure) {
      if (extent == none || (extent == some && random() % 2)) continue;
      apply(bytes, operation, extent == some ? &random : nullptr);
    }
    disk[path] = std::move(bytes);
  }
  return disk;
}

void restore(const FaultVfs::Disk& disk, const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& [path, bytes] : disk) {
    std::string name = std::filesystem::path(path).filename();
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
  }
}

}  // namespace hearth::test
