// From rules to positions, in four passes: what may be empty, Thompson's construction, what can
// never come to an end (and is left out, so that whatever is let in can be completed), left
// recursion.
#include "grammar/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace hearth::grammar {

namespace {

constexpr size_t kMaxPositions = 1'000'000;
constexpr uint32_t kMaxCopies = 8;          // repetitions of more are counted
constexpr uint32_t kMaxCopiedOfEmpty = 64;  // ... unless what they repeat may be empty
constexpr uint32_t kNone = kUnbounded;

struct Node {
  std::vector<Program::Edge> edges;
  std::vector<uint32_t> jumps;
  std::vector<Program::Call> calls;
  uint32_t count = kNone;
  bool is_final = false;
};

// How a character looks inside of a JSON string, where not as itself.
std::string json_escape(uint32_t c) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return fmt::format("\\u{:04x}", c);
  }
}

class Compiler {
 public:
  Compiler(const Rules& rules, RuleId root) : rules_(rules), root_(root) {}

  Result<Program> run() {
    find_empty_rules();
    for (RuleId r = 0; r < rules_.rules().size(); ++r) {
      begins_.push_back(add());
      ends_.push_back(add());
      nodes_.back().is_final = true;
    }
    // Only what the root needs.
    std::vector<RuleId> left = {root_};
    is_used_.assign(rules_.rules().size(), false);
    is_used_[root_] = true;
    while (!left.empty()) {
      const RuleId r = left.back();
      left.pop_back();
      const Rules::Rule& rule = rules_.rules()[r];
      if (!rule.is_defined)
        return Error{Errc::invalid, fmt::format("rule \"{}\" is not defined", rule.name)};
      needed_.clear();
      if (auto built = build(rule.body, begins_[r], ends_[r], 0); !built) return built.error();
      for (RuleId other : needed_)
        if (!is_used_[other]) is_used_[other] = true, left.push_back(other);
    }
    shorten();
    if (!drop_hopeless())
      return Error{Errc::invalid, "no text fulfils the grammar: what it demands excludes itself"};
    if (auto name = left_recursive_rule(); !name.empty())
      return Error{Errc::invalid,
                   fmt::format("rule \"{}\" is left-recursive: it begins with itself", name)};
    return flat();
  }

 private:
  uint32_t add() {
    nodes_.emplace_back();
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  void jump(uint32_t from, uint32_t to) { nodes_[from].jumps.push_back(to); }
  void edge(uint32_t from, uint8_t first, uint8_t last, uint32_t to) {
    nodes_[from].edges.push_back({first, last, to});
  }

  bool may_be_empty(Expr expr) const {
    const Rules::Node& node = rules_.node(expr);
    const auto child = [&](Expr e) { return may_be_empty(e); };
    switch (node.kind) {
      case Rules::Kind::bytes: return node.bytes.empty();
      case Rules::Kind::set:
      case Rules::Kind::until: return false;
      case Rules::Kind::unless: return true;
      case Rules::Kind::cat: return std::ranges::all_of(node.children, child);
      case Rules::Kind::alt: return std::ranges::any_of(node.children, child);
      case Rules::Kind::repeat: return node.min == 0 || may_be_empty(node.children[0]);
      case Rules::Kind::rule: return is_empty_[node.rule];
      case Rules::Kind::words: return std::ranges::count(node.words, "") > 0;
      case Rules::Kind::dfa: return !node.dfa->states.empty() && node.dfa->states[0].accepts;
    }
    return false;
  }

  void find_empty_rules() {
    const auto& rules = rules_.rules();
    is_empty_.assign(rules.size(), false);
    std::vector<std::vector<RuleId>> users(rules.size());
    std::vector<RuleId> left;
    for (RuleId r = 0; r < rules.size(); ++r) {
      if (!rules[r].is_defined) continue;
      left.push_back(r);
      std::vector<Expr> parts = {rules[r].body};
      while (!parts.empty()) {
        const Rules::Node& node = rules_.node(parts.back());
        parts.pop_back();
        if (node.kind == Rules::Kind::rule) users[node.rule].push_back(r);
        parts.insert(parts.end(), node.children.begin(), node.children.end());
      }
    }
    while (!left.empty()) {
      const RuleId r = left.back();
      left.pop_back();
      if (is_empty_[r] || !may_be_empty(rules[r].body)) continue;
      is_empty_[r] = true;
      left.insert(left.end(), users[r].begin(), users[r].end());
    }
  }

  Result<> build(Expr expr, uint32_t from, uint32_t to, int depth) {
    if (nodes_.size() > kMaxPositions)
      return Error{Errc::unsupported,
                   fmt::format("the grammar needs more than {} positions", kMaxPositions)};
    if (depth > 8 * kMaxGroupDepth)
      return Error{Errc::unsupported, "the grammar is nested too deeply"};
    const Rules::Node& node = rules_.node(expr);
    switch (node.kind) {
      case Rules::Kind::bytes: build_bytes(node.bytes, from, to); return {};
      case Rules::Kind::set: build_set(node.set, from, to); return {};
      case Rules::Kind::cat:
        for (size_t i = 0; i < node.children.size(); ++i) {
          const uint32_t next = i + 1 < node.children.size() ? add() : to;
          if (auto done = build(node.children[i], from, next, depth + 1); !done) return done;
          from = next;
        }
        if (node.children.empty()) jump(from, to);
        return {};
      case Rules::Kind::alt:
        for (Expr child : node.children)
          if (auto done = build(child, from, to, depth + 1); !done) return done;
        return {};
      case Rules::Kind::repeat: return build_repeat(node, from, to, depth);
      case Rules::Kind::rule:
        needed_.push_back(node.rule);
        nodes_[from].calls.push_back({begins_[node.rule], to});
        return {};
      case Rules::Kind::words: build_words(node.words, from, to); return {};
      case Rules::Kind::dfa: build_dfa(*node.dfa, node.is_json, from, to); return {};
      case Rules::Kind::until:
      case Rules::Kind::unless: return build_search(node, from, to, depth);
    }
    return {};
  }

  void build_bytes(std::string_view bytes, uint32_t from, uint32_t to) {
    if (bytes.empty()) return jump(from, to);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint32_t next = i + 1 < bytes.size() ? add() : to;
      const uint8_t byte = static_cast<uint8_t>(bytes[i]);
      edge(from, byte, byte, next);
      from = next;
    }
  }

  // Sequences that end alike share their ends.
  void build_set(const CharSet& set, uint32_t from, uint32_t to) {
    std::map<std::string, uint32_t> tails;
    for (CharSet::Range range : set.ranges())
      for_each_utf8(range, [&](std::span<const ByteRange> bytes) {
        std::string tail;
        uint32_t next = to;
        for (size_t i = bytes.size() - 1; i > 0; --i) {
          tail += static_cast<char>(bytes[i].first);
          tail += static_cast<char>(bytes[i].last);
          auto [at, is_new] = tails.emplace(tail, 0);
          if (is_new) {
            at->second = add();
            edge(at->second, bytes[i].first, bytes[i].last, next);
          }
          next = at->second;
        }
        edge(from, bytes[0].first, bytes[0].last, next);
      });
  }

  Result<> build_repeat(const Rules::Node& node, uint32_t from, uint32_t to, int depth) {
    const Expr child = node.children[0];
    const bool is_open = node.max == kUnbounded;
    uint32_t n_copies = is_open ? node.min : node.max;
    const bool is_child_empty = may_be_empty(child);
    if (is_child_empty && n_copies > kMaxCopiedOfEmpty)
      return Error{Errc::unsupported,
                   fmt::format("a repetition of more than {} of something that may be empty",
                               kMaxCopiedOfEmpty)};
    if (n_copies > kMaxCopies && !is_child_empty) {
      const uint32_t body = add(), end = add();
      nodes_[end].is_final = true;
      if (auto done = build(child, body, end, depth + 1); !done) return done;
      // A position of its own: `from` may have a count already.
      const uint32_t begin = add();
      nodes_[begin].count = static_cast<uint32_t>(counts_.size());
      counts_.push_back({body, to, node.min, node.max});
      jump(from, begin);
      return {};
    }
    for (uint32_t i = 0; i < n_copies; ++i) {
      if (i >= node.min) jump(from, to);
      const uint32_t next = add();
      if (auto done = build(child, from, next, depth + 1); !done) return done;
      from = next;
    }
    if (is_open) {
      const uint32_t loop = add();
      jump(from, loop);
      if (auto done = build(child, loop, loop, depth + 1); !done) return done;
      from = loop;
    }
    jump(from, to);
    return {};
  }

  void build_words(const std::vector<std::string>& words, uint32_t from, uint32_t to) {
    std::map<std::pair<uint32_t, uint8_t>, uint32_t> next_of;
    for (std::string_view word : words) {
      uint32_t at = from;
      for (char c : word) {
        const uint8_t byte = static_cast<uint8_t>(c);
        auto [next, is_new] = next_of.emplace(std::pair(at, byte), 0);
        if (is_new) {
          next->second = add();
          edge(at, byte, byte, next->second);
        }
        at = next->second;
        if (nodes_.size() > kMaxPositions) return;  // seen by the next build()
      }
      jump(at, to);
    }
  }

  void build_dfa(const Dfa& dfa, bool is_json, uint32_t from, uint32_t to) {
    std::vector<uint32_t> place;
    for (size_t s = 0; s < dfa.states.size(); ++s) place.push_back(add());
    if (place.empty()) return;
    jump(from, place[0]);
    static const CharSet escaped{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
    for (size_t s = 0; s < dfa.states.size() && nodes_.size() <= kMaxPositions; ++s) {
      if (dfa.states[s].accepts) jump(place[s], to);
      std::map<uint32_t, CharSet> to_of;
      for (Dfa::Edge e : dfa.states[s].edges) to_of[e.to].add(e.first, e.last);
      for (const auto& [target, set] : to_of) {
        build_set(is_json ? set - escaped : set, place[s], place[target]);
        if (!is_json) continue;
        const CharSet special = set & escaped;
        std::vector<std::string> words;
        for (CharSet::Range range : special.ranges())
          for (uint32_t c = range.first; c <= range.last; ++c) words.push_back(json_escape(c));
        if (!words.empty()) build_words(words, place[s], place[target]);
      }
    }
  }

  // Aho and Corasick's automaton: a position for each beginning of a mark, any byte from each.
  Result<> build_search(const Rules::Node& node, uint32_t from, uint32_t to, int depth) {
    struct Place {
      uint32_t position;
      std::array<uint32_t, 256> next{};  // 0: none yet
      uint32_t shorter = 0;  // the longest end of this beginning that is a beginning, too
      size_t mark = std::string::npos;
    };
    std::vector<Place> places(1);
    for (size_t m = 0; m < node.words.size(); ++m) {
      uint32_t at = 0;
      for (char c : node.words[m]) {
        uint32_t& next = places[at].next[static_cast<uint8_t>(c)];
        if (next == 0) next = static_cast<uint32_t>(places.size());
        at = next;
        if (at == places.size()) places.emplace_back();
      }
      places[at].mark = std::min(places[at].mark, m);
    }
    // By length, so that what is shorter is complete.
    std::vector<uint32_t> order;
    for (uint32_t& next : places[0].next)
      if (next) order.push_back(next);
    for (size_t i = 0; i < order.size(); ++i) {
      const uint32_t at = order[i];
      for (size_t byte = 0; byte < 256; ++byte) {
        const uint32_t otherwise = places[places[at].shorter].next[byte];
        uint32_t& next = places[at].next[byte];
        if (next == 0) {
          next = otherwise;
        } else {
          places[next].shorter = otherwise;
          places[next].mark = std::min(places[next].mark, places[otherwise].mark);
          order.push_back(next);
        }
      }
    }
    for (Place& place : places) place.position = add();
    jump(from, places[0].position);
    const bool may_end = node.kind == Rules::Kind::unless;
    for (const Place& place : places) {
      if (place.mark != std::string::npos) {
        const uint32_t begin = place.position;
        if (!may_end) {
          jump(begin, to);
          continue;
        }
        const uint32_t end = node.max == kUnbounded ? places[0].position : to;
        if (auto done = build(node.children[place.mark], begin, end, depth + 1); !done) return done;
        continue;
      }
      if (may_end) jump(place.position, to);
      for (uint32_t first = 0, byte = 1; byte <= 256; ++byte) {
        if (byte < 256 && place.next[byte] == place.next[first]) continue;
        edge(place.position, static_cast<uint8_t>(first), static_cast<uint8_t>(byte - 1),
             places[place.next[first]].position);
        first = byte;
      }
    }
    return {};
  }

  // Where a position does nothing but jump on.
  void shorten() {
    const auto landing = [&](uint32_t p) {
      for (int i = 0; i < 16; ++i) {
        const Node& node = nodes_[p];
        if (node.jumps.size() != 1 || !node.edges.empty() || !node.calls.empty() ||
            node.count != kNone || node.is_final)
          break;
        p = node.jumps[0];
      }
      return p;
    };
    for (Node& node : nodes_) {
      for (Program::Edge& e : node.edges) e.to = landing(e.to);
      for (uint32_t& to : node.jumps) to = landing(to);
      for (Program::Call& call : node.calls) {
        call.callee = landing(call.callee);
        call.back = landing(call.back);
      }
    }
    for (Program::Count& count : counts_) {
      count.body = landing(count.body);
      count.back = landing(count.back);
    }
    for (uint32_t& begin : begins_) begin = landing(begin);
  }

  // The positions that have a property which spreads from final ones to those before them.
  template <class Has>
  std::vector<char> spread(const Has& has) const {
    std::vector<std::vector<uint32_t>> users(nodes_.size());
    for (uint32_t p = 0; p < nodes_.size(); ++p) {
      for (const Program::Edge& e : nodes_[p].edges) users[e.to].push_back(p);
      for (uint32_t to : nodes_[p].jumps) users[to].push_back(p);
      for (const Program::Call& call : nodes_[p].calls) {
        users[call.callee].push_back(p);
        users[call.back].push_back(p);
      }
      if (nodes_[p].count == kNone) continue;
      users[counts_[nodes_[p].count].body].push_back(p);
      users[counts_[nodes_[p].count].back].push_back(p);
    }
    std::vector<char> out(nodes_.size(), 0);
    std::vector<uint32_t> left;
    for (uint32_t p = 0; p < nodes_.size(); ++p)
      if (nodes_[p].is_final) out[p] = 1, left.push_back(p);
    while (!left.empty()) {
      const uint32_t p = left.back();
      left.pop_back();
      for (uint32_t user : users[p])
        if (!out[user] && has(out, nodes_[user])) out[user] = 1, left.push_back(user);
    }
    return out;
  }

  // False when nothing is left of the root.
  bool drop_hopeless() {
    const auto can_count = [&](const std::vector<char>& ends, const Program::Count& count) {
      return ends[count.back] && (count.min == 0 || ends[count.body]);
    };
    const std::vector<char> ends = spread([&](const std::vector<char>& so_far, const Node& node) {
      const auto is_in = [&](uint32_t p) { return so_far[p] != 0; };
      return std::ranges::any_of(node.edges, is_in, &Program::Edge::to) ||
             std::ranges::any_of(node.jumps, is_in) ||
             std::ranges::any_of(node.calls,
                                 [&](auto& c) { return is_in(c.callee) && is_in(c.back); }) ||
             (node.count != kNone && can_count(so_far, counts_[node.count]));
    });
    for (Node& node : nodes_) {
      std::erase_if(node.edges, [&](const auto& e) { return !ends[e.to]; });
      std::erase_if(node.jumps, [&](uint32_t to) { return !ends[to]; });
      std::erase_if(node.calls, [&](const auto& c) { return !ends[c.callee] || !ends[c.back]; });
      if (node.count == kNone) continue;
      Program::Count& count = counts_[node.count];
      if (!can_count(ends, count)) {
        node.count = kNone;
      } else if (!ends[count.body]) {  // only the way around it is left
        node.jumps.push_back(count.back);
        node.count = kNone;
      }
    }
    return ends[begins_[root_]];
  }

  // A rule that can come back to its beginning without a byte read; "" when there is none. Tarjan's
  // components over the steps that read nothing; a call inside of one recurses.
  std::string left_recursive_rule() {
    const size_t n = nodes_.size();
    const std::vector<char> is_empty =
        spread([&](const std::vector<char>& so_far, const Node& node) {
          const auto is_in = [&](uint32_t p) { return so_far[p] != 0; };
          return std::ranges::any_of(node.jumps, is_in) ||
                 std::ranges::any_of(node.calls,
                                     [&](auto& c) { return is_in(c.callee) && is_in(c.back); }) ||
                 (node.count != kNone && counts_[node.count].min == 0 &&
                  is_in(counts_[node.count].back));
        });
    std::vector<std::vector<uint32_t>> steps(n);
    for (uint32_t p = 0; p < n; ++p) {
      steps[p] = nodes_[p].jumps;
      for (const Program::Call& call : nodes_[p].calls) {
        steps[p].push_back(call.callee);
        if (is_empty[call.callee]) steps[p].push_back(call.back);
      }
      if (nodes_[p].count != kNone) {
        const Program::Count& count = counts_[nodes_[p].count];
        steps[p].push_back(count.body);
        if (count.min == 0) steps[p].push_back(count.back);
      }
    }
    std::vector<uint32_t> index(n, kNone), low(n, 0), component(n, kNone), open;
    std::vector<std::pair<uint32_t, size_t>> path;
    uint32_t next_index = 0, n_components = 0;
    for (uint32_t root = 0; root < n; ++root) {
      if (index[root] != kNone) continue;
      path.push_back({root, 0});
      while (!path.empty()) {
        auto& [p, i] = path.back();
        if (i == 0) {
          index[p] = low[p] = next_index++;
          open.push_back(p);
        }
        if (i < steps[p].size()) {
          const uint32_t to = steps[p][i++];
          if (index[to] == kNone)
            path.push_back({to, 0});
          else if (component[to] == kNone)
            low[p] = std::min(low[p], index[to]);
          continue;
        }
        if (low[p] == index[p]) {
          uint32_t member;
          do {
            member = open.back();
            open.pop_back();
            component[member] = n_components;
          } while (member != p);
          ++n_components;
        }
        const uint32_t done = p;
        path.pop_back();
        if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[done]);
      }
    }
    for (uint32_t p = 0; p < n; ++p)
      for (const Program::Call& call : nodes_[p].calls) {
        if (component[call.callee] != component[p]) continue;
        for (RuleId r = 0; r < begins_.size(); ++r)
          if (begins_[r] == call.callee) return rules_.rules()[r].name;
        return "?";
      }
    return "";
  }

  Program flat() const {
    // Those that the start reaches.
    std::vector<uint32_t> place(nodes_.size(), kNone), order = {begins_[root_]};
    place[begins_[root_]] = 0;
    const auto reach = [&](uint32_t p) {
      if (place[p] != kNone) return;
      place[p] = static_cast<uint32_t>(order.size());
      order.push_back(p);
    };
    for (size_t i = 0; i < order.size(); ++i) {
      const Node& node = nodes_[order[i]];
      for (const Program::Edge& e : node.edges) reach(e.to);
      for (uint32_t to : node.jumps) reach(to);
      for (const Program::Call& call : node.calls) reach(call.callee), reach(call.back);
      if (node.count != kNone) reach(counts_[node.count].body), reach(counts_[node.count].back);
    }
    Program out;
    for (uint32_t p : order) {
      const Node& node = nodes_[p];
      Program::Position position{.first_edge = static_cast<uint32_t>(out.edges.size()),
                                 .first_jump = static_cast<uint32_t>(out.jumps.size()),
                                 .first_call = static_cast<uint32_t>(out.calls.size()),
                                 .n_edges = static_cast<uint32_t>(node.edges.size()),
                                 .n_jumps = static_cast<uint32_t>(node.jumps.size()),
                                 .n_calls = static_cast<uint32_t>(node.calls.size()),
                                 .is_final = node.is_final};
      for (Program::Edge e : node.edges) out.edges.push_back({e.first, e.last, place[e.to]});
      for (uint32_t to : node.jumps) out.jumps.push_back(place[to]);
      for (Program::Call call : node.calls)
        out.calls.push_back({place[call.callee], place[call.back]});
      if (node.count != kNone) {
        Program::Count count = counts_[node.count];
        count.body = place[count.body];
        count.back = place[count.back];
        position.count = static_cast<uint32_t>(out.counts.size());
        out.counts.push_back(count);
      }
      position.is_bare_final = node.is_final && node.edges.empty() && node.jumps.empty() &&
                               node.calls.empty() && node.count == kNone;
      out.positions.push_back(position);
    }
    return out;
  }

  const Rules& rules_;
  const RuleId root_;
  std::vector<bool> is_empty_, is_used_;
  std::vector<uint32_t> begins_, ends_;  // of each rule
  std::vector<RuleId> needed_;           // by the rule that is being built
  std::vector<Node> nodes_;
  std::vector<Program::Count> counts_;
};

}  // namespace

Result<Program> compile(const Rules& rules, RuleId root) { return Compiler(rules, root).run(); }

}  // namespace hearth::grammar
