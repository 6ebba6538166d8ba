#include "gguf/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace hearth::gguf {

namespace {

constexpr uint32_t kVersion = 3;
constexpr uint32_t kDefaultAlignment = 32;

template <class T>
void append(std::string& to, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}

void append_string(std::string& to, std::string_view text) {
  append(to, uint64_t{text.size()});
  to += text;
}

// A scalar as the file has it: element i of an array, or a value itself.
void append_scalar(std::string& to, ValueType type, const Value& value, size_t i) {
  const bool is_array = value.type() == ValueType::array;
  const int64_t integer = is_array ? value.int_at(i).value_or(0) : value.as_int().value_or(0);
  const double number = is_array ? value.float_at(i).value_or(0) : value.as_float().value_or(0);
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean: append(to, static_cast<uint8_t>(integer)); return;
    case ValueType::u16:
    case ValueType::i16: append(to, static_cast<uint16_t>(integer)); return;
    case ValueType::u32:
    case ValueType::i32: append(to, static_cast<uint32_t>(integer)); return;
    case ValueType::u64:
      append(to, is_array ? value.uint_at(i).value_or(0) : value.as_uint().value_or(0));
      return;
    case ValueType::i64: append(to, integer); return;
    case ValueType::f32: append(to, static_cast<float>(number)); return;
    case ValueType::f64: append(to, number); return;
    case ValueType::string:
      append_string(to,
                    is_array ? value.string_at(i).value_or("") : value.as_string().value_or(""));
      return;
    case ValueType::array: return;  // arrays of arrays are refused by the reader
  }
}

std::string typed(ValueType type) {
  std::string bytes;
  append(bytes, static_cast<uint32_t>(type));
  return bytes;
}

template <class T>
std::string typed(ValueType type, T value) {
  std::string bytes = typed(type);
  append(bytes, value);
  return bytes;
}

std::string typed_array(ValueType element, size_t n) {
  std::string bytes = typed(ValueType::array);
  append(bytes, static_cast<uint32_t>(element));
  append(bytes, uint64_t{n});
  return bytes;
}

uint64_t padded(uint64_t offset, uint32_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

// The file that `path` stands for, links followed. What stands there and is no regular file would
// be replaced by one.
Result<std::string> target_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failure;
  if (!fs::exists(fs::symlink_status(path, failure))) return path;
  const fs::file_status target = fs::status(path, failure);
  if (!fs::is_regular_file(target)) {
    const std::string_view kind = !fs::exists(target)        ? "a link to nothing"
                                  : fs::is_directory(target) ? "a folder"
                                  : fs::is_fifo(target)      ? "a pipe"
                                                             : "no regular file";
    return Error{Errc::invalid,
                 fmt::format("{}: is {}, expected a regular file or a new name", path, kind)};
  }
  const fs::path real = fs::canonical(path, failure);
  if (failure) return file::io_error("find", path, failure.value());
  return real.string();
}

}  // namespace

void Header::set_bytes(std::string_view key, std::string value) {
  const auto at = std::ranges::find(entries_, key, &Entry::key);
  if (at != entries_.end())
    at->value = std::move(value);
  else
    entries_.push_back({std::string(key), std::move(value)});
}

void Header::set(std::string_view key, uint32_t value) {
  set_bytes(key, typed(ValueType::u32, value));
}
void Header::set(std::string_view key, float value) {
  set_bytes(key, typed(ValueType::f32, value));
}
void Header::set(std::string_view key, bool value) {
  set_bytes(key, typed(ValueType::boolean, uint8_t{value}));
}
void Header::set(std::string_view key, std::string_view value) {
  std::string bytes = typed(ValueType::string);
  append_string(bytes, value);
  set_bytes(key, std::move(bytes));
}
void Header::set(std::string_view key, std::span<const std::string> values) {
  std::string bytes = typed_array(ValueType::string, values.size());
  for (const std::string& value : values) append_string(bytes, value);
  set_bytes(key, std::move(bytes));
}
void Header::set(std::string_view key, std::span<const int32_t> values) {
  std::string bytes = typed_array(ValueType::i32, values.size());
  for (const int32_t value : values) append(bytes, value);
  set_bytes(key, std::move(bytes));
}

void Header::copy(const File::Entry& entry) {
  const Value& value = entry.value;
  std::string bytes;
  if (value.type() == ValueType::array) {
    bytes = typed_array(value.element_type(), value.size());
    for (size_t i = 0; i < value.size(); ++i) append_scalar(bytes, value.element_type(), value, i);
  } else {
    bytes = typed(value.type());
    append_scalar(bytes, value.type(), value, 0);
  }
  set_bytes(entry.key, std::move(bytes));
}

void Header::remove(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

std::string Header::bytes() const {
  std::string bytes;
  for (const Entry& entry : entries_) {
    append_string(bytes, entry.key);
    bytes += entry.value;
  }
  return bytes;
}

uint32_t Header::alignment() const {
  const auto at = std::ranges::find(entries_, "general.alignment", &Entry::key);
  if (at == entries_.end() || at->value.size() != 2 * sizeof(uint32_t)) return kDefaultAlignment;
  uint32_t alignment;
  std::memcpy(&alignment, at->value.data() + sizeof alignment, sizeof alignment);
  return alignment;
}

FileWriter::FileWriter(std::string path, std::string temporary, file::Descriptor fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      sizes_(std::move(other.sizes_)),
      tensor_(other.tensor_),
      written_(other.written_),
      offset_(other.offset_),
      size_bytes_(other.size_bytes_),
      alignment_(other.alignment_) {}

FileWriter::~FileWriter() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<FileWriter> FileWriter::create(const std::string& name, const Header& header,
                                      std::span<const TensorInfo> tensors) {
  auto target = target_of(name);
  if (!target) return target.error();
  const std::string& path = *target;
  const std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  file::Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return file::io_error("create", path, errno);
  FileWriter writer(path, temporary, std::move(fd));
  writer.alignment_ = header.alignment();

  std::string bytes = "GGUF";
  append(bytes, kVersion);
  append(bytes, uint64_t{tensors.size()});
  append(bytes, uint64_t{header.size()});
  bytes += header.bytes();
  uint64_t offset = 0;
  for (const TensorInfo& tensor : tensors) {
    append_string(bytes, tensor.name);
    append(bytes, tensor.n_dims);
    for (size_t i = 0; i < tensor.n_dims; ++i) append(bytes, tensor.dims[i]);
    append(bytes, static_cast<uint32_t>(tensor.type));
    append(bytes, offset);
    writer.sizes_.push_back(tensor.n_bytes());
    offset += padded(tensor.n_bytes(), writer.alignment_);
  }
  bytes.resize(padded(bytes.size(), writer.alignment_));
  writer.size_bytes_ = bytes.size() + offset;
  if (auto done = writer.put(std::as_bytes(std::span(bytes))); !done) return done.error();
  return writer;
}

Result<> FileWriter::write(std::span<const std::byte> bytes) {
  assert(tensor_ < sizes_.size() && bytes.size() <= sizes_[tensor_] - written_);
  written_ += bytes.size();
  if (auto done = put(bytes); !done) return done;
  if (written_ < sizes_[tensor_]) return {};
  ++tensor_;
  written_ = 0;
  return pad();
}

Result<> FileWriter::finish() {
  assert(tensor_ == sizes_.size());
  if (::fsync(fd_.get()) != 0) return file::io_error("sync", path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return file::io_error("rename to", path_, errno);
  temporary_.clear();
  return {};
}

Result<> FileWriter::pad() {
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (uint64_t left = padded(offset_, alignment_) - offset_; left > 0;) {
    const size_t n = std::min<uint64_t>(left, kZeros.size());
    if (auto done = put(std::span(kZeros).first(n)); !done) return done;
    left -= n;
  }
  return {};
}

Result<> FileWriter::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file::io_error("write", path_, errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset_ += static_cast<uint64_t>(n);
  }
  return {};
}

}  // namespace hearth::gguf
