#include "gguf/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "gguf/printable.h"
#include "gguf/quant.h"

namespace hearth::gguf {

namespace {

constexpr uint64_t kBatchBytes = 32u << 20;  // of output held in memory at a time
constexpr uint32_t kQuantizationVersion = 2;

// The rows [first, end) of a tensor as `type`, spread over threads.
class RowConverter {
 public:
  RowConverter(const ModelSource& source, uint32_t n_threads)
      : source_(source),
        n_threads_(n_threads > 0 ? n_threads : std::max(1u, std::thread::hardware_concurrency())) {}

  // False when a value is not finite.
  bool convert(size_t t, Type type, uint64_t first, uint64_t end, std::byte* out) const {
    const uint64_t cols = source_.tensors[t].dims[0];
    const size_t bytes = row_bytes(type, cols);
    std::atomic<uint64_t> next = first;
    std::atomic<bool> is_finite = true;
    const auto work = [&] {
      std::vector<float> row(cols);
      for (uint64_t i; (i = next.fetch_add(1)) < end;) {
        source_.row(t, i, row.data());
        if (!std::ranges::all_of(row, [](float x) { return std::isfinite(x); })) is_finite = false;
        quantize_row(type, row.data(), cols, out + (i - first) * bytes);
      }
    };
    std::vector<std::jthread> helpers;
    const uint64_t n = std::min<uint64_t>(n_threads_, end - first);
    for (uint64_t i = 1; i < n; ++i) helpers.emplace_back(work);
    work();
    helpers.clear();
    return is_finite;
  }

 private:
  const ModelSource& source_;
  const uint32_t n_threads_;
};

Result<> write_tensor(const ModelSource& source, const RowConverter& rows, size_t t, Type type,
                      FileWriter& writer) {
  const TensorInfo& tensor = source.tensors[t];
  if (type == tensor.type && source.bytes)
    if (const std::span<const std::byte> bytes = source.bytes(t); !bytes.empty())
      return writer.write(bytes);
  const size_t bytes = row_bytes(type, tensor.dims[0]);
  const uint64_t batch = std::max<uint64_t>(kBatchBytes / bytes, 1);
  std::vector<std::byte> out(std::min<uint64_t>(batch, tensor.n_rows()) * bytes);
  for (uint64_t first = 0; first < tensor.n_rows(); first += batch) {
    const uint64_t end = std::min(tensor.n_rows(), first + batch);
    if (!rows.convert(t, type, first, end, out.data()))
      return Error{Errc::corrupt,
                   fmt::format("tensor {} has a value that is not finite, which {} cannot hold",
                               printable(tensor.name), name_of(type))};
    const auto written = std::span(out).first((end - first) * bytes);
    if (auto done = writer.write(written); !done) return done;
  }
  return {};
}

}  // namespace

Result<ModelSource> source_of(const File& file) {
  ModelSource source;
  for (const File::Entry& entry : file.metadata())
    if (!entry.key.starts_with("split.")) source.header.copy(entry);

  const std::string architecture(file.architecture());
  const auto count = [&](std::string_view key) -> uint64_t {
    const Value* value = file.find(fmt::format("{}.{}", architecture, key));
    if (!value) return 0;
    if (value->type() == ValueType::array) return value->uint_at(0).value_or(0);
    return value->as_uint().value_or(0);
  };
  if (architecture.empty())
    return Error{Errc::corrupt, fmt::format("{}: general.architecture is missing", file.path())};
  constexpr uint64_t kMost = 1u << 20;
  source.facts = {
      .architecture = file.architecture(),
      .n_layers = static_cast<uint32_t>(std::min(count("block_count"), kMost)),
      .n_experts = static_cast<uint32_t>(std::min(count("expert_count"), kMost)),
      .shares_kv_heads = count("attention.head_count") > count("attention.head_count_kv")};

  for (const Tensor& tensor : file.tensors()) {
    if (tensor.data.empty() && tensor.n_elements() > 0)
      return Error{Errc::invalid, fmt::format("{}: tensor {} has no data: the file holds a "
                                              "vocabulary only",
                                              file.path(), printable(tensor.name))};
    source.tensors.push_back({.name = std::string(tensor.name),
                              .type = tensor.type,
                              .n_dims = tensor.n_dims,
                              .dims = tensor.dims});
  }
  if (source.tensors.empty())
    return Error{Errc::invalid,
                 fmt::format("{}: has no tensors: it holds a vocabulary only", file.path())};
  source.row = [&file](size_t t, uint64_t i, float* out) {
    const Tensor& tensor = file.tensors()[t];
    dequantize_row(tensor.type, tensor.data.data() + i * row_bytes(tensor.type, tensor.dims[0]),
                   tensor.dims[0], out);
  };
  source.bytes = [&file](size_t t) { return file.tensors()[t].data; };
  return source;
}

Result<> convert(const ModelSource& source, const Mix& mix, const std::string& path,
                 uint32_t n_threads, const std::function<void(const ConvertProgress&)>& report) {
  const std::vector<Type> types = types_of(mix, source.facts, source.tensors);
  std::vector<TensorInfo> tensors = source.tensors;
  uint64_t bytes_total = 0;
  for (size_t t = 0; t < tensors.size(); ++t) {
    if (types[t] != tensors[t].type && !traits_of(tensors[t].type).is_computable)
      return Error{Errc::unsupported,
                   fmt::format("tensor {} has type {}, which cannot be converted",
                               printable(tensors[t].name), name_of(tensors[t].type))};
    tensors[t].type = types[t];
    bytes_total += tensors[t].n_bytes();
  }
  Header header = source.header;
  header.set("general.file_type", mix.file_type);
  header.set("general.quantization_version", kQuantizationVersion);

  auto writer = FileWriter::create(path, header, tensors);
  if (!writer) return writer.error();
  const RowConverter rows(source, n_threads);
  uint64_t bytes_done = 0;
  for (size_t t = 0; t < tensors.size(); ++t) {
    if (report)
      report({tensors[t].name, source.tensors[t].type, types[t], t, tensors.size(), bytes_done,
              bytes_total});
    if (auto done = write_tensor(source, rows, t, types[t], *writer); !done) return done;
    bytes_done += tensors[t].n_bytes();
  }
  return writer->finish();
}

}  // namespace hearth::gguf
