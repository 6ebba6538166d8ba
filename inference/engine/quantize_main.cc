#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "gguf/convert.h"
#include "gguf/printable.h"
#include "inference/entry_points.h"

namespace hearth::engine {

namespace {

constexpr double kMiB = 1 << 20;

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code failure;
  return std::filesystem::equivalent(a, b, failure);
}

// One line for each tensor, or on a terminal one line that changes.
void report(const gguf::ConvertProgress& at) {
  const bool is_live = ::isatty(STDERR_FILENO) == 1;
  const double percent = at.bytes_total == 0 ? 100.0
                                             : 100.0 * static_cast<double>(at.bytes_done) /
                                                   static_cast<double>(at.bytes_total);
  fmt::print(stderr, "{}[{:3}/{}] {:3.0f}%  {}: {} -> {}{}", is_live ? "\r\x1b[K" : "",
             at.n_done + 1, at.n_tensors, percent, gguf::printable(at.tensor),
             gguf::name_of(at.from), gguf::name_of(at.to), is_live ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace

Result<> quantize(const QuantizeOptions& options) {
  const Result<gguf::Mix> mix = gguf::mix_of(options.type);
  if (!mix) return mix.error();
  const Result<gguf::File> in = gguf::File::open(options.in);
  if (!in) return in.error();
  if (is_same_file(options.in, options.out))
    return Error{Errc::invalid, fmt::format("{}: is the input itself, expected another file to "
                                            "write",
                                            options.out)};
  const Result<gguf::ModelSource> source = gguf::source_of(*in);
  if (!source) return source.error();
  const bool is_quantized = std::ranges::any_of(source->tensors, [](const auto& tensor) {
    return gguf::traits_of(tensor.type).block_size > 1;
  });
  if (is_quantized && gguf::traits_of(mix->base).block_size > 1)
    fmt::print(stderr, "note: {} is quantized already; the result is better from the original\n",
               options.in);

  if (auto done = gguf::convert(*source, *mix, options.out, options.n_threads,
                                options.is_quiet ? nullptr : report);
      !done)
    return done;
  const Result<gguf::File> out = gguf::File::open(options.out);
  if (!out) return out.error();
  uint64_t n_elements = 0;
  for (const gguf::Tensor& tensor : out->tensors()) n_elements += tensor.n_elements();
  fmt::print(stderr, "{}{}: {}, {:.1f} MiB from {:.1f} MiB, {:.2f} bits per weight\n",
             ::isatty(STDERR_FILENO) == 1 && !options.is_quiet ? "\r\x1b[K" : "", options.out,
             mix->name, static_cast<double>(out->size_bytes()) / kMiB,
             static_cast<double>(in->size_bytes()) / kMiB,
             8 * static_cast<double>(out->size_bytes()) / static_cast<double>(n_elements));
  return {};
}

std::string quantize_types() { return gguf::mix_names(); }

}  // namespace hearth::engine
