#include "grammar/dfa.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

namespace hearth::grammar {

namespace {

Error too_large() {
  return {Errc::unsupported,
          fmt::format("the pattern needs an automaton of more than {} states", kMaxDfaStates)};
}

constexpr uint32_t kDead = std::numeric_limits<uint32_t>::max();

uint32_t target(const Dfa::State& state, uint32_t c) {
  auto at = std::ranges::upper_bound(state.edges, c, {}, &Dfa::Edge::first);
  if (at == state.edges.begin() || std::prev(at)->last < c) return kDead;
  return std::prev(at)->to;
}

// Neighbours to the same state become one edge.
void add_edge(Dfa::State& state, Dfa::Edge edge) {
  if (!state.edges.empty() && state.edges.back().to == edge.to &&
      state.edges.back().last + 1 == edge.first)
    state.edges.back().last = edge.last;
  else
    state.edges.push_back(edge);
}

}  // namespace

bool Dfa::accepts(std::string_view utf8) const {
  std::vector<uint32_t> text;
  if (states.empty() || !decode_utf8(utf8, text)) return false;
  uint32_t at = 0;
  for (uint32_t c : text) {
    at = target(states[at], c);
    if (at == kDead) return false;
  }
  return states[at].accepts;
}

bool Dfa::is_empty() const { return std::ranges::none_of(states, &State::accepts); }

Result<Dfa> determinize(const Nfa& nfa) {
  using Subset = std::vector<uint32_t>;  // sorted
  std::vector<uint32_t> stamp(nfa.nodes.size(), 0);
  uint32_t now = 0;
  const auto close = [&](Subset set) {
    ++now;
    Subset out;
    for (uint32_t n : set) stamp[n] = now;
    while (!set.empty()) {
      const uint32_t n = set.back();
      set.pop_back();
      out.push_back(n);
      for (uint32_t to : nfa.nodes[n].jumps)
        if (std::exchange(stamp[to], now) != now) set.push_back(to);
    }
    std::ranges::sort(out);
    return out;
  };

  Dfa dfa;
  std::map<Subset, uint32_t> known;
  std::vector<Subset> subsets;
  size_t n_members = 0;
  const auto state_of = [&](Subset set) {
    auto [at, is_new] = known.emplace(close(std::move(set)), dfa.states.size());
    if (is_new) {
      subsets.push_back(at->first);
      n_members += at->first.size();
      dfa.states.push_back({.accepts = std::ranges::binary_search(at->first, nfa.end)});
    }
    return at->second;
  };
  state_of({nfa.start});
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    // A sweep over the places where the set of possible targets changes.
    std::vector<std::pair<uint32_t, int64_t>> changes;  // at a code point: +target+1 or -(target+1)
    for (uint32_t n : subsets[s])
      for (const auto& [set, to] : nfa.nodes[n].edges)
        for (CharSet::Range range : set.ranges()) {
          changes.emplace_back(range.first, int64_t{to} + 1);
          changes.emplace_back(range.last + 1, -(int64_t{to} + 1));
        }
    std::ranges::sort(changes);
    std::map<uint32_t, int> open;
    for (size_t i = 0; i < changes.size();) {
      const uint32_t at = changes[i].first;
      for (; i < changes.size() && changes[i].first == at; ++i) {
        const int64_t change = changes[i].second;
        const uint32_t to = static_cast<uint32_t>(std::abs(change) - 1);
        if ((open[to] += change > 0 ? 1 : -1) == 0) open.erase(to);
      }
      if (open.empty()) continue;
      Subset targets;
      for (const auto& [to, n] : open) targets.push_back(to);
      const uint32_t to = state_of(std::move(targets));
      add_edge(dfa.states[s], {at, changes[i].first - 1, to});
    }
    if (dfa.states.size() > kMaxDfaStates || n_members > 40 * kMaxDfaStates) return too_large();
  }
  return pruned(dfa);
}

Result<Dfa> intersection(const Dfa& a, const Dfa& b) {
  Dfa out;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> known;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  const auto state_of = [&](uint32_t in_a, uint32_t in_b) {
    auto [at, is_new] = known.emplace(std::pair(in_a, in_b), out.states.size());
    if (is_new) {
      pairs.emplace_back(in_a, in_b);
      out.states.push_back({.accepts = a.states[in_a].accepts && b.states[in_b].accepts});
    }
    return at->second;
  };
  if (a.states.empty() || b.states.empty()) return Dfa{{{}}};
  state_of(0, 0);
  for (uint32_t s = 0; s < out.states.size(); ++s) {
    const auto& in_a = a.states[pairs[s].first].edges;
    const auto& in_b = b.states[pairs[s].second].edges;
    for (size_t i = 0, j = 0; i < in_a.size() && j < in_b.size();) {
      const uint32_t first = std::max(in_a[i].first, in_b[j].first);
      const uint32_t last = std::min(in_a[i].last, in_b[j].last);
      if (first <= last) {
        const uint32_t to = state_of(in_a[i].to, in_b[j].to);
        add_edge(out.states[s], {first, last, to});
      }
      in_a[i].last < in_b[j].last ? ++i : ++j;
    }
    if (out.states.size() > kMaxDfaStates) return too_large();
  }
  return pruned(out);
}

Dfa complement(const Dfa& a) {
  Dfa out = a;
  if (out.states.empty()) out.states.emplace_back();
  const uint32_t rest = static_cast<uint32_t>(out.states.size());  // what `a` refused for good
  out.states.emplace_back();
  for (Dfa::State& state : out.states) {
    state.accepts = !state.accepts;
    CharSet covered;
    for (const Dfa::Edge& edge : state.edges) covered.add(edge.first, edge.last);
    const CharSet uncovered = covered.complement();
    for (CharSet::Range range : uncovered.ranges())
      state.edges.push_back({range.first, range.last, rest});
    std::ranges::sort(state.edges, {}, &Dfa::Edge::first);
  }
  return pruned(out);
}

Dfa pruned(const Dfa& a) {
  std::vector<std::vector<uint32_t>> sources(a.states.size());
  for (uint32_t s = 0; s < a.states.size(); ++s)
    for (const Dfa::Edge& edge : a.states[s].edges) sources[edge.to].push_back(s);
  std::vector<char> is_alive(a.states.size(), 0);
  std::vector<uint32_t> left;
  for (uint32_t s = 0; s < a.states.size(); ++s)
    if (a.states[s].accepts) left.push_back(s), is_alive[s] = 1;
  while (!left.empty()) {
    const uint32_t s = left.back();
    left.pop_back();
    for (uint32_t from : sources[s])
      if (!std::exchange(is_alive[from], 1)) left.push_back(from);
  }
  std::vector<uint32_t> place(a.states.size(), 0);
  Dfa out;
  for (uint32_t s = 0; s < a.states.size(); ++s)
    if (is_alive[s] || s == 0) {
      place[s] = static_cast<uint32_t>(out.states.size());
      out.states.push_back({.accepts = a.states[s].accepts});
    }
  for (uint32_t s = 0; s < a.states.size(); ++s) {
    if (!is_alive[s]) continue;
    for (Dfa::Edge edge : a.states[s].edges)
      if (is_alive[edge.to])
        add_edge(out.states[place[s]], {edge.first, edge.last, place[edge.to]});
  }
  if (out.states.empty()) out.states.emplace_back();
  return out;
}

Dfa dfa_of_words(std::span<const std::string_view> words) {
  std::vector<std::map<uint32_t, uint32_t>> nodes(1);
  std::vector<bool> accepts(1);
  for (std::string_view word : words) {
    std::vector<uint32_t> text;
    if (!decode_utf8(word, text)) continue;
    uint32_t at = 0;
    for (uint32_t c : text) {
      auto [next, is_new] = nodes[at].emplace(c, nodes.size());
      at = next->second;
      if (is_new) {
        nodes.emplace_back();
        accepts.push_back(false);
      }
    }
    accepts[at] = true;
  }
  Dfa out;
  for (size_t s = 0; s < nodes.size(); ++s) {
    out.states.push_back({.accepts = accepts[s]});
    for (const auto& [c, to] : nodes[s]) out.states.back().edges.push_back({c, c, to});
  }
  return out;
}

Dfa dfa_of_length(uint32_t min, uint32_t max) {
  const bool is_open = max == std::numeric_limits<uint32_t>::max();
  const uint32_t last = is_open ? min : max;
  Dfa out;
  const CharSet every = CharSet::all();
  for (uint32_t n = 0; n <= last; ++n) {
    out.states.push_back({.accepts = n >= min});
    if (n < last || is_open)
      for (CharSet::Range range : every.ranges())
        out.states.back().edges.push_back({range.first, range.last, n < last ? n + 1 : n});
  }
  return out;
}

}  // namespace hearth::grammar
