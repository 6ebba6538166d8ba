// The format, all little-endian: magic, u32 version, u64 n_tensors, u64 n_kv, the key-values, the
// tensor infos, padding to general.alignment, tensor data.
//
// The rule that keeps this safe: a count or length is compared with the bytes left before it is
// used for anything, sizes are multiplied with overflow checks, and containers grow by what was
// really read, never by what the file promises. Public loaders had memory bugs at each of these
// places.
#include "gguf/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "gguf/name_index.h"
#include "gguf/printable.h"

namespace hearth::gguf {

static_assert(std::endian::native == std::endian::little,
              "fields are read as they lie in the file");

namespace {

// Far above what exists (about 60 keys; 50,000 tensors where each expert is one), low enough that a
// hostile header costs little.
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 18;
constexpr uint64_t kMaxKeyBytes = 65535;  // as the specification says
constexpr uint64_t kMaxTensorNameBytes = 255;
constexpr uint64_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 20;

// The smallest sizes that an item can have in the file.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorInfoBytes = 8 + 1 + 4 + 8 + 4 + 8;

uint64_t align_up(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

// Bytes of a tensor whose dims are positive; nullopt when they do not fit in 63 bits.
std::optional<uint64_t> checked_bytes(const Tensor& tensor) {
  const TypeTraits& traits = traits_of(tensor.type);
  uint64_t n = 1;
  for (uint64_t dim : tensor.dims)
    if (__builtin_mul_overflow(n, dim, &n)) return std::nullopt;
  uint64_t bytes;
  if (__builtin_mul_overflow(n / traits.block_size, uint64_t{traits.block_bytes}, &bytes))
    return std::nullopt;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (n > kMax || bytes > kMax) return std::nullopt;
  return bytes;
}

// What a file that is not GGUF seems to be; the mistakes people really make.
std::string_view guess_format(std::string_view head) {
  if (head.starts_with("version https://git-lfs"))
    return "; it is a Git LFS pointer, fetch the real file";
  if (head.starts_with("<")) return "; it looks like a web page, the download went wrong";
  if (head.starts_with("PK")) return "; it looks like a zip archive";
  if (head.starts_with("lmgg") || head.starts_with("fmgg") || head.starts_with("tjgg"))
    return "; it is a model from before GGUF, convert it again";
  if (head.starts_with("FUGG")) return "; the bytes of each word are swapped";
  return "";
}

}  // namespace

// A cursor over the file with the state of one parse. Lives on the stack of parse_shard().
class Parser {
 public:
  Parser(std::string_view name, std::span<const std::byte> bytes) : name_(name), bytes_(bytes) {}

  Result<Shard> parse() {
    for (auto step : {&Parser::read_header, &Parser::read_metadata, &Parser::read_alignment,
                      &Parser::read_tensors, &Parser::bind_data})
      if (auto done = (this->*step)(); !done) return done.error();
    return std::move(shard_);
  }

 private:
  // --- Steps, in the order of the file ---

  Result<> read_header() {
    uint32_t magic;
    constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
    if (!read(magic)) return truncated("the magic number");
    if (magic != kMagic) {
      std::string_view head(reinterpret_cast<const char*>(bytes_.data()),
                            std::min<size_t>(bytes_.size(), 32));
      return corrupt(0, "not a GGUF file: it starts with \"{}\", expected \"GGUF\"{}",
                     printable(head.substr(0, 4)), guess_format(head));
    }
    uint32_t version;
    if (!read(version)) return truncated("the version");
    if (version != 2 && version != 3) {
      bool is_swapped = version != 0 && (version & 0xffff) == 0;
      return unsupported(4,
                         is_swapped ? "big-endian GGUF file (version {}), expected little-endian"
                                    : "GGUF version {}, expected 2 or 3",
                         is_swapped ? __builtin_bswap32(version) : version);
    }
    if (!read(n_tensors_) || !read(n_keys_)) return truncated("the header");
    if (n_tensors_ > kMaxTensors || n_tensors_ > left() / kMinTensorInfoBytes)
      return corrupt(8, "{} tensors cannot be in the {} bytes left (at most {})", n_tensors_,
                     left(), kMaxTensors);
    if (n_keys_ > kMaxKeys || n_keys_ > left() / kMinKeyValueBytes)
      return corrupt(16, "{} keys cannot be in the {} bytes left (at most {})", n_keys_, left(),
                     kMaxKeys);
    return {};
  }

  Result<> read_metadata() {
    for (uint64_t i = 0; i < n_keys_; ++i) {
      File::Entry entry;
      if (auto done = read_name(entry.key, "key", i, kMaxKeyBytes); !done) return done;
      if (auto done = read_value(entry.key, entry.value); !done) return done;
      shard_.metadata.push_back(std::move(entry));
    }
    if (auto i = NameIndex(shard_.metadata, &File::Entry::key).duplicate())
      return corrupt(offset_, "key {} occurs twice", printable(shard_.metadata[*i].key));
    return {};
  }

  Result<> read_alignment() {
    for (const File::Entry& entry : shard_.metadata) {
      if (entry.key != "general.alignment") continue;
      if (entry.value.type() != ValueType::u32)
        return corrupt(offset_, "general.alignment is a {}, expected a u32",
                       name_of(entry.value.type()));
      alignment_ = *entry.value.as_uint();
      if (!std::has_single_bit(alignment_) || alignment_ % 8 != 0 || alignment_ > kMaxAlignment)
        return corrupt(offset_, "general.alignment is {}, expected a power of two from 8 to {}",
                       alignment_, kMaxAlignment);
    }
    return {};
  }

  Result<> read_tensors() {
    for (uint64_t i = 0; i < n_tensors_; ++i)
      if (auto done = read_tensor(i); !done) return done;
    if (auto i = NameIndex(shard_.tensors, &Tensor::name).duplicate())
      return corrupt(offset_, "tensor {} occurs twice", shard_.tensors[*i].name);
    return {};
  }

  // Gives each tensor its bytes. Offsets count from the data section, which starts after padding.
  Result<> bind_data() {
    if (shard_.tensors.empty()) return {};
    const uint64_t start = align_up(offset_, alignment_);
    const uint64_t available = start <= bytes_.size() ? bytes_.size() - start : 0;
    for (size_t i = 0; i < shard_.tensors.size(); ++i) {
      Tensor& tensor = shard_.tensors[i];
      const uint64_t offset = data_offsets_[i];
      if (offset % alignment_ != 0)
        return corrupt(start, "tensor {} starts at offset {}, expected a multiple of {}",
                       tensor.name, offset, alignment_);
      const uint64_t size = *checked_bytes(tensor);
      if (offset > available || size > available - offset)
        return corrupt(start,
                       "tensor {} takes {} bytes from offset {}, but the data section has only {}; "
                       "the file is truncated or wrong",
                       describe(tensor), size, offset, available);
      tensor.data = bytes_.subspan(start + offset, size);
    }
    return refuse_overlaps();
  }

  Result<> refuse_overlaps() {
    std::vector<uint32_t> order(shard_.tensors.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return data_offsets_[a] < data_offsets_[b]; });
    for (size_t i = 1; i < order.size(); ++i) {
      const Tensor& first = shard_.tensors[order[i - 1]];
      const Tensor& second = shard_.tensors[order[i]];
      if (first.data.size() > data_offsets_[order[i]] - data_offsets_[order[i - 1]])
        return corrupt(offset_, "tensors {} and {} overlap", first.name, second.name);
    }
    return {};
  }

  // --- Items ---

  Result<> read_value(std::string_view key, Value& value) {
    const size_t at = offset_;
    uint32_t type;
    if (!read(type)) return truncated(key);
    if (type >= kValueTypeCount)
      return corrupt(at, "key {} has value type {}, expected 0 to {}", printable(key), type,
                     kValueTypeCount - 1);
    value.type_ = static_cast<ValueType>(type);
    value.data_ = bytes_.data() + offset_;
    if (value.type_ == ValueType::array) return read_array(key, value);
    if (value.type_ == ValueType::string) {
      if (!read_string(value.strings_.emplace_back())) return truncated(key);
      return {};
    }
    if (!skip(scalar_bytes(value.type_))) return truncated(key);
    if (value.type_ == ValueType::boolean) return check_booleans(key, value);
    return {};
  }

  Result<> read_array(std::string_view key, Value& value) {
    const size_t at = offset_;
    uint32_t type;
    uint64_t n;
    if (!read(type) || !read(n)) return truncated(key);
    if (type == static_cast<uint32_t>(ValueType::array))
      return unsupported(at, "key {} is an array of arrays", printable(key));
    if (type >= kValueTypeCount)
      return corrupt(at, "key {} has elements of value type {}, expected 0 to {}", printable(key),
                     type, kValueTypeCount - 1);
    value.element_type_ = static_cast<ValueType>(type);
    value.data_ = bytes_.data() + offset_;
    const bool is_string = value.element_type_ == ValueType::string;
    const uint64_t min_bytes = is_string ? sizeof(uint64_t) : scalar_bytes(value.element_type_);
    if (n > left() / min_bytes)
      return corrupt(at, "key {} has {} elements of type {}, but only {} bytes are left",
                     printable(key), n, name_of(value.element_type_), left());
    value.size_ = n;
    if (!is_string) {
      offset_ += n * min_bytes;
      return value.element_type_ == ValueType::boolean ? check_booleans(key, value) : Result<>();
    }
    value.strings_.resize(n);  // at most twice the bytes left, which hold a length for each
    for (std::string_view& text : value.strings_)
      if (!read_string(text)) return truncated(key);
    return {};
  }

  Result<> check_booleans(std::string_view key, const Value& value) {
    for (size_t i = 0; i < value.size_; ++i)
      if (value.data_[i] > std::byte{1})
        return corrupt(static_cast<size_t>(value.data_ + i - bytes_.data()),
                       "key {} has the boolean {}, expected 0 or 1", printable(key),
                       std::to_integer<int>(value.data_[i]));
    return {};
  }

  Result<> read_tensor(uint64_t position) {
    Tensor tensor;
    if (auto done = read_name(tensor.name, "tensor name", position, kMaxTensorNameBytes); !done)
      return done;
    const size_t at = offset_;
    if (!read(tensor.n_dims)) return truncated(tensor.name);
    if (tensor.n_dims == 0 || tensor.n_dims > kMaxDims)
      return corrupt(at, "tensor {} has {} dimensions, expected 1 to {}", tensor.name,
                     tensor.n_dims, kMaxDims);
    for (size_t i = 0; i < tensor.n_dims; ++i) {
      if (!read(tensor.dims[i])) return truncated(tensor.name);
      if (tensor.dims[i] == 0 || tensor.dims[i] > std::numeric_limits<int64_t>::max())
        return corrupt(at, "tensor {} has {} elements in dimension {}, expected at least 1",
                       tensor.name, static_cast<int64_t>(tensor.dims[i]), i);
    }
    const size_t type_at = offset_;
    uint32_t type;
    if (!read(type) || !read(data_offsets_.emplace_back())) return truncated(tensor.name);
    const TypeTraits* traits = traits_of(type);
    if (!traits)
      return unsupported(type_at, "tensor {} has type {}: {}", tensor.name, type, refusal_of(type));
    tensor.type = traits->type;
    if (tensor.dims[0] % traits->block_size != 0)
      return corrupt(at, "tensor {} has rows of {}, expected a multiple of {}, the block of {}",
                     tensor.name, tensor.dims[0], traits->block_size, traits->name);
    if (!checked_bytes(tensor))
      return corrupt(at, "the size of tensor {} overflows", describe(tensor));
    shard_.tensors.push_back(tensor);
    return {};
  }

  // Keys and tensor names: printable ASCII, so that they can stand in messages as they are.
  Result<> read_name(std::string_view& out, std::string_view what, uint64_t i, uint64_t max_bytes) {
    const size_t at = offset_;
    if (!read_string(out)) return truncated(fmt::format("{} {}", what, i));
    if (out.empty()) return corrupt(at, "{} {} is empty", what, i);
    if (out.size() > max_bytes)
      return corrupt(at, "{} {} has {} bytes, expected at most {}", what, i, out.size(), max_bytes);
    if (!std::all_of(out.begin(), out.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
      return corrupt(at, "{} \"{}\" has bytes that are not printable ASCII", what, printable(out));
    return {};
  }

  // --- Bytes; false when the file ends first ---

  uint64_t left() const { return bytes_.size() - offset_; }

  bool skip(uint64_t n) {
    if (n > left()) return false;
    offset_ += n;
    return true;
  }

  template <class T>
  bool read(T& out) {
    if (sizeof out > left()) return false;
    std::memcpy(&out, bytes_.data() + offset_, sizeof out);
    offset_ += sizeof out;
    return true;
  }

  bool read_string(std::string_view& out) {
    uint64_t size;
    if (!read(size) || size > left()) return false;
    out = {reinterpret_cast<const char*>(bytes_.data()) + offset_, size};
    offset_ += size;
    return true;
  }

  // --- Errors: "model.gguf: byte 24: key a.b ..." ---

  template <class... Args>
  Error corrupt(size_t at, fmt::format_string<Args...> what, Args&&... args) const {
    return fail(Errc::corrupt, at, fmt::format(what, std::forward<Args>(args)...));
  }
  Error truncated(std::string_view item) const {
    return corrupt(offset_, "the file ends inside {}, or a length in it is wrong", printable(item));
  }
  template <class... Args>
  Error unsupported(size_t at, fmt::string_view what, Args&&... args) const {
    return fail(Errc::unsupported, at,
                fmt::format(fmt::runtime(what), std::forward<Args>(args)...));
  }
  Error fail(Errc code, size_t at, std::string_view what) const {
    return {code, fmt::format("{}: byte {}: {}", printable(name_, 4096), at, what)};
  }

  const std::string_view name_;
  const std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
  uint64_t n_tensors_ = 0;
  uint64_t n_keys_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  std::vector<uint64_t> data_offsets_;  // of each tensor, from the start of the data section
  Shard shard_;
};

Result<Shard> parse_shard(std::string_view name, std::span<const std::byte> bytes) {
  return Parser(name, bytes).parse();
}

}  // namespace hearth::gguf
