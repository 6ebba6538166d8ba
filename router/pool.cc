#include "pool.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace hearth::router {

namespace {

constexpr std::chrono::seconds kLookEvery{1}, kTooOld{5};
constexpr double kFull = 0.95;               // cache_use
constexpr double kSlack = 4, kFactor = 1.5;  // of the least busy one's load, before a move pays

struct FigureRow {
  std::string_view name;
  double PoolFigures::* figure;
};
// Of vLLM, by version, and of SGLang.
constexpr FigureRow kFigures[] = {
    {"vllm:num_requests_running", &PoolFigures::n_running},
    {"vllm:num_requests_waiting", &PoolFigures::n_waiting},
    {"vllm:gpu_cache_usage_perc", &PoolFigures::cache_use},
    {"vllm:kv_cache_usage_perc", &PoolFigures::cache_use},
    {"sglang:num_running_reqs", &PoolFigures::n_running},
    {"sglang:num_queue_reqs", &PoolFigures::n_waiting},
    {"sglang:token_usage", &PoolFigures::cache_use},
};

uint64_t hash_of(std::string_view affinity, std::string_view endpoint) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, then mixed
  for (std::string_view text : {affinity, std::string_view("\n"), endpoint})
    for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

// "name{labels} value [time]": labels may hold any character but a line end.
std::optional<std::pair<std::string_view, double>> read_line(std::string_view line) {
  if (line.empty() || line[0] == '#') return std::nullopt;
  const size_t name_end = line.find_first_of("{ ");
  if (name_end == line.npos) return std::nullopt;
  const std::string_view name = line.substr(0, name_end);
  size_t at = line[name_end] == '{' ? line.rfind('}') : name_end;
  if (at == line.npos) return std::nullopt;
  at = line.find_first_not_of(' ', at + 1);
  if (at == line.npos) return std::nullopt;
  const std::string text(line.substr(at, std::min(line.find(' ', at), line.size()) - at));
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end || !std::isfinite(value) || value < 0) return std::nullopt;
  return std::pair(name, value);
}

}  // namespace

std::optional<PoolFigures> read_figures(std::string_view text) {
  constexpr size_t kMost = 1 << 20;
  text = text.substr(0, kMost);
  PoolFigures read;
  bool is_any = false;
  double n_hits = 0, n_queries = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    auto line = read_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line) continue;
    const auto& [name, value] = *line;
    for (const FigureRow& row : kFigures) {
      if (row.name != name) continue;
      is_any = true;
      // Several engines behind one address: their requests add up, the fullest cache counts.
      double& figure = read.*row.figure;
      figure = row.figure == &PoolFigures::cache_use ? std::max(figure, std::min(value, 1.0))
                                                     : figure + value;
    }
    if (name == "vllm:prefix_cache_hits_total") n_hits += value;
    if (name == "vllm:prefix_cache_queries_total") n_queries += value;
    if (name == "sglang:cache_hit_rate" && value <= 1) read.hit_rate = value;
  }
  if (n_queries > 0) read.hit_rate = std::min(1.0, n_hits / n_queries);
  if (!is_any) return std::nullopt;
  return read;
}

void Pools::end(const std::string& endpoint) {
  Load& load = loads_[endpoint];
  if (load.n_ours > 0) --load.n_ours;
}

bool Pools::wants_look(const std::string& endpoint) {
  Load& load = loads_[endpoint];
  const Clock::Time now = clock_.now();
  if (load.is_looking || (load.looked_at && now - *load.looked_at < kLookEvery)) return false;
  load.is_looking = true;
  load.looked_at = now;
  return true;
}

void Pools::note(const std::string& endpoint, std::optional<PoolFigures> figures) {
  Load& load = loads_[endpoint];
  load.is_looking = false;
  if (!figures) return;
  load.figures = *figures;
  load.seen_at = clock_.now();
  load.n_ours_then = load.n_ours;
}

std::optional<PoolFigures> Pools::figures(const std::string& endpoint) const {
  auto at = loads_.find(endpoint);
  if (at == loads_.end() || !at->second.seen_at || clock_.now() - *at->second.seen_at > kTooOld)
    return std::nullopt;
  return at->second.figures;
}

// Requests that it has to do: what it says, and what we have sent or got back since; what waits
// weighs more than what runs.
double Pools::busyness(const std::string& endpoint) const {
  auto at = loads_.find(endpoint);
  if (at == loads_.end()) return 0;
  const Load& load = at->second;
  auto said = figures(endpoint);
  if (!said) return load.n_ours;
  return std::max(0.0, said->n_running + 2 * said->n_waiting + load.n_ours - load.n_ours_then);
}

std::vector<std::string> Pools::order(const Target& pool, std::string_view affinity) const {
  std::vector<std::string> order = pool.endpoints;
  auto is_full = [this](const std::string& endpoint) {
    auto said = figures(endpoint);
    return said && said->cache_use > kFull;
  };
  double least = INFINITY;
  for (const std::string& endpoint : order) least = std::min(least, busyness(endpoint));
  const double most = kFactor * least + kSlack;
  auto rank = [&](const std::string& endpoint) {
    const double busy = busyness(endpoint);
    const bool is_home = !affinity.empty() && busy <= most;
    return std::tuple(is_full(endpoint), !is_home, is_home ? 0.0 : busy,
                      ~hash_of(affinity, endpoint));
  };
  std::ranges::sort(order, [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return order;
}

}  // namespace hearth::router
