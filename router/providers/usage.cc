#include "providers/usage.h"

#include <algorithm>

namespace hearth::router {

using json::Element;

namespace {

// No model reads or writes as much in one request.
constexpr uint64_t kAbsurd = 1u << 30;

}  // namespace

std::optional<uint32_t> Counts::read_from(Element object, std::string_view name) {
  Element value;
  if (object[name].get(value) || value.is_null()) return std::nullopt;
  uint64_t count = 0;
  if (value.get_uint64().get(count) || count > kAbsurd) {
    is_odd_ = true;
    return 0;
  }
  return static_cast<uint32_t>(count);
}

std::optional<uint32_t> Counts::read(std::string_view name) { return read_from(object_, name); }

std::optional<uint32_t> Counts::read(std::string_view object, std::string_view name) {
  Element inner;
  if (object_[object].get(inner) || !inner.is_object()) return std::nullopt;
  return read_from(inner, name);
}

uint32_t Counts::first_of(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    if (auto count = read(name)) return *count;
  return 0;
}

CountedUsage usage_of(const SaidUsage& said) {
  uint64_t n_completion = said.n_completion;
  bool is_odd = said.is_odd;
  if (said.n_total) {
    // Some count thoughts beside the output and not within it: the total tells.
    if (said.n_reasoning > 0 && *said.n_total == said.n_prompt + n_completion + said.n_reasoning)
      n_completion += said.n_reasoning;
    is_odd = is_odd || *said.n_total != said.n_prompt + n_completion;
  }
  auto take = [&](uint64_t& left, uint64_t wanted) {
    is_odd = is_odd || wanted > left;
    const uint64_t taken = std::min(left, wanted);
    left -= taken;
    return static_cast<uint32_t>(taken);
  };
  is_odd = is_odd || said.n_prompt > kAbsurd || n_completion > kAbsurd;
  Usage usage;
  usage.n_prompt = static_cast<uint32_t>(std::min(said.n_prompt, kAbsurd));
  usage.n_completion = static_cast<uint32_t>(std::min(n_completion, kAbsurd));
  uint64_t n_fresh = usage.n_prompt, n_plain = usage.n_completion;
  usage.n_cached = take(n_fresh, said.n_cached);
  usage.n_cache_write = take(n_fresh, said.n_cache_write);
  usage.n_cache_write_1h = take(n_fresh, said.n_cache_write_1h);
  usage.n_reasoning = take(n_plain, said.n_reasoning);
  return {usage, is_odd ? UsageBasis::unverified : UsageBasis::reported};
}

}  // namespace hearth::router
