// How long masks take: grammar_bench [N_TOKENS]. A made-up vocabulary (151,936 tokens unless told
// otherwise) and the schema of an edit call; 400 tokens of random answers, compiled afresh each
// time.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "inference/grammar/vocabulary.h"

using namespace hearth;

namespace {

// Of this thread's own time: what else the machine does is not the mask's cost.
double now_us() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}
double us_since(double begun) { return now_us() - begun; }

constexpr std::string_view kEdit =
    R"({"type":"object","properties":{"path":{"type":"string"},"edits":{"type":"array","items":{
        "type":"object","properties":{"search":{"type":"string"},"replace":{"type":"string"},
        "all":{"type":"boolean"}},"required":["search","replace"],"additionalProperties":false}},
        "mode":{"enum":["strict","loose"]},"line":{"type":"integer","minimum":0}},
        "required":["path","edits"],"additionalProperties":false})";

}  // namespace

int main(int argc, char** argv) {
  const size_t n_tokens = argc > 1 ? std::stoul(argv[1]) : 151'936;
  double begun = now_us();
  const auto vocabulary = testing::made_up_vocabulary(n_tokens, 7);
  fmt::print("{} tokens, trie of {} nodes in {:.1f} ms\n", n_tokens,
             vocabulary->trie().nodes().size(), us_since(begun) / 1000);
  std::mt19937 random(11);
  std::vector<double> masks;
  std::vector<float> logits(n_tokens, 0.f);
  double compile_us = 0, apply_us = 0;
  constexpr int kRuns = 5;
  for (int run = 0; run < kRuns; ++run) {
    begun = now_us();
    auto grammar = grammar::Grammar::from_json_schema(kEdit);
    if (!grammar) return 1;
    const auto constraint = std::make_shared<grammar::Constraint>(*grammar, vocabulary);
    constraint->prepare(16);
    compile_us += us_since(begun);
    grammar::Matcher matcher(constraint);
    for (int step = 0; step < 80; ++step) {
      begun = now_us();
      const grammar::Mask& mask = matcher.mask();
      masks.push_back(us_since(begun));
      begun = now_us();
      matcher.apply(logits);
      apply_us += us_since(begun);
      std::vector<Token> allowed;
      for (size_t word = 0; word < mask.size(); ++word)
        for (uint64_t left = mask[word]; left; left &= left - 1)
          allowed.push_back(static_cast<Token>(word * 64 + std::countr_zero(left)));
      const Token chosen = allowed[random() % allowed.size()];
      if (vocabulary->is_end(chosen))
        matcher = grammar::Matcher(constraint);
      else
        matcher.accept(chosen);
    }
  }
  std::ranges::sort(masks);
  double sum = 0;
  for (double us : masks) sum += us;
  fmt::print(
      "compile and prepare {:.1f} ms; mask mean {:.1f} us, p50 {:.1f}, p99 {:.1f}, most {:.1f}; "
      "applying it {:.1f} us\n",
      compile_us / kRuns / 1000, sum / static_cast<double>(masks.size()), masks[masks.size() / 2],
      masks[masks.size() * 99 / 100], masks.back(), apply_us / static_cast<double>(masks.size()));
}
