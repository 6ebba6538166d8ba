#include "gguf/reader.h"

#include <fmt/format.h>

#include <iterator>

#include "gguf/mapping.h"
#include "gguf/name_index.h"
#include "gguf/parser.h"
#include "gguf/printable.h"
#include "gguf/split.h"

namespace hearth::gguf {

struct File::State {
  std::string path;
  std::vector<Mapping> mappings;  // none when parsed from memory
  uint64_t size_bytes = 0;
  Shard content;  // of all shards; the metadata of the first
  NameIndex keys;
  NameIndex tensor_names;
};

namespace {

constexpr size_t kMaxShards = 1024;

Error corrupt(const std::string& path, std::string_view what) {
  return {Errc::corrupt, fmt::format("{}: {}", printable(path, 4096), what)};
}

// Checks what a shard says of its place among the others. A file without these keys is whole.
Result<> check_split_keys(const std::string& path, const Shard& shard, size_t number,
                          size_t count) {
  auto check = [&](std::string_view key, uint64_t fallback, uint64_t expected) -> Result<> {
    for (const File::Entry& entry : shard.metadata) {
      if (entry.key != key) continue;
      auto actual = entry.value.as_uint();
      if (!actual)
        return corrupt(
            path, fmt::format("{} is a {}, expected a count", key, name_of(entry.value.type())));
      fallback = *actual;
    }
    if (fallback == expected) return {};
    return corrupt(path, fmt::format("{} is {}, expected {}; a shard is opened by the name of the "
                                     "first, NAME-00001-of-0000N.gguf",
                                     key, fallback, expected));
  };
  if (auto done = check("split.count", 1, count); !done) return done;
  return check("split.no", 0, number - 1);
}

Result<> check_split_total(const std::string& path, const Shard& all) {
  for (const File::Entry& entry : all.metadata)
    if (entry.key == "split.tensors.count" && entry.value.as_uint() != all.tensors.size())
      return corrupt(path,
                     fmt::format("the shards have {} tensors, expected {} (split.tensors.count)",
                                 all.tensors.size(), entry.value.as_int().value_or(-1)));
  return {};
}

}  // namespace

std::string describe(const Tensor& tensor) {
  return fmt::format("{{{}}} {}",
                     fmt::join(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims, ", "),
                     name_of(tensor.type));
}

Result<File> File::open(const std::string& path) {
  SplitName split = parse_split_name(path).value_or(SplitName{});
  if (split.number != 1)
    return Error{Errc::invalid,
                 fmt::format("{}: shard {} of {}; open the first, {}", printable(path, 4096),
                             split.number, split.count, shard_path(split, 1))};
  if (split.count > kMaxShards)
    return Error{Errc::unsupported, fmt::format("{}: {} shards, expected at most {}",
                                                printable(path, 4096), split.count, kMaxShards)};
  auto state = std::make_unique<State>();
  state->path = path;
  for (size_t number = 1; number <= split.count; ++number) {
    const std::string shard_name = number == 1 ? path : shard_path(split, number);
    auto mapping = Mapping::open(shard_name);
    if (!mapping) return mapping.error();
    auto shard = parse_shard(shard_name, mapping->bytes());
    if (!shard) return shard.error();
    if (auto done = check_split_keys(shard_name, *shard, number, split.count); !done)
      return done.error();
    state->size_bytes += mapping->bytes().size();
    state->mappings.push_back(std::move(*mapping));
    if (number == 1) {
      state->content = std::move(*shard);
    } else {
      auto& tensors = state->content.tensors;
      tensors.insert(tensors.end(), shard->tensors.begin(), shard->tensors.end());
    }
  }
  return assemble(std::move(state));
}

Result<File> File::parse(std::string_view name, std::span<const std::byte> bytes) {
  auto shard = parse_shard(name, bytes);
  if (!shard) return shard.error();
  auto state = std::make_unique<State>();
  state->path = name;
  state->size_bytes = bytes.size();
  state->content = std::move(*shard);
  if (auto done = check_split_keys(state->path, state->content, 1, 1); !done) return done.error();
  return assemble(std::move(state));
}

Result<File> File::assemble(std::unique_ptr<State> state) {
  if (auto done = check_split_total(state->path, state->content); !done) return done.error();
  state->keys = NameIndex(state->content.metadata, &Entry::key);
  state->tensor_names = NameIndex(state->content.tensors, &Tensor::name);
  if (auto i = state->tensor_names.duplicate())
    return corrupt(state->path,
                   fmt::format("tensor {} occurs in two shards", state->content.tensors[*i].name));
  return File(std::move(state));
}

File::File(std::unique_ptr<State> state) : state_(std::move(state)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;

const std::string& File::path() const { return state_->path; }
uint64_t File::size_bytes() const { return state_->size_bytes; }
std::string_view File::architecture() const { return string_or("general.architecture", ""); }
void File::forget_pages() const {
  for (const Mapping& mapping : state_->mappings) mapping.forget_pages();
}

std::span<const File::Entry> File::metadata() const { return state_->content.metadata; }
std::span<const Tensor> File::tensors() const { return state_->content.tensors; }

const Value* File::find(std::string_view key) const {
  auto i = state_->keys.find(key);
  return i ? &state_->content.metadata[*i].value : nullptr;
}

const Tensor* File::find_tensor(std::string_view name) const {
  auto i = state_->tensor_names.find(name);
  return i ? &state_->content.tensors[*i] : nullptr;
}

namespace {

// The value in the form that `read` gives, or the error that names what is there instead.
template <class T>
Result<T> typed(const File& file, std::string_view key, const Value& value,
                std::string_view expected, std::optional<T> (Value::*read)() const) {
  if (auto result = (value.*read)()) return *result;
  return corrupt(file.path(), fmt::format("key {} is a {} that is not {}", key,
                                          name_of(value.type()), expected));
}

Error missing(const File& file, std::string_view key, std::string_view expected) {
  return corrupt(file.path(), fmt::format("key {} is missing, expected {}", key, expected));
}

constexpr std::string_view kUint = "a non-negative integer";

}  // namespace

Result<uint64_t> File::get_uint(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return missing(*this, key, kUint);
  return typed(*this, key, *value, kUint, &Value::as_uint);
}

Result<uint64_t> File::uint_or(std::string_view key, uint64_t fallback) const {
  const Value* value = find(key);
  return value ? typed(*this, key, *value, kUint, &Value::as_uint) : fallback;
}

Result<double> File::float_or(std::string_view key, double fallback) const {
  const Value* value = find(key);
  return value ? typed(*this, key, *value, "a number", &Value::as_float) : fallback;
}

Result<bool> File::bool_or(std::string_view key, bool fallback) const {
  const Value* value = find(key);
  return value ? typed(*this, key, *value, "a boolean", &Value::as_bool) : fallback;
}

Result<std::string_view> File::get_string(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return missing(*this, key, "a string");
  return typed(*this, key, *value, "a string", &Value::as_string);
}

std::string_view File::string_or(std::string_view key, std::string_view fallback) const {
  const Value* value = find(key);
  return value ? value->as_string().value_or(fallback) : fallback;
}

}  // namespace hearth::gguf
