#include "merge_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace hearth::tokenizer {

namespace {

constexpr size_t kBlock = 64;  // merges looked up together; see Vocabulary::find_plain

}  // namespace

Result<MergeTable> MergeTable::load(const gguf::File& file, const Vocabulary& vocabulary,
                                    std::vector<std::string>& notes) {
  constexpr std::string_view kMerges = "tokenizer.ggml.merges";
  MergeTable out;
  const gguf::Value* merges = file.find(kMerges);
  if (!merges) {
    notes.push_back(fmt::format("no {}: merges follow the order of the tokens", kMerges));
    out.derive(vocabulary);
    return out;
  }
  if (merges->type() != gguf::ValueType::array)
    return Error{Errc::corrupt, fmt::format("{}: {} is {}, expected array of string", file.path(),
                                            kMerges, gguf::name_of(merges->type()))};
  out.reserve(merges->size());
  size_t n_unknown = 0;
  std::array<std::string, kBlock> joined;
  std::array<std::string_view, 3 * kBlock> names;  // result, left, right of each merge
  std::array<Token, 3 * kBlock> tokens;
  for (size_t done = 0; done < merges->size(); done += kBlock) {
    const size_t n = std::min(kBlock, merges->size() - done);
    for (size_t i = 0; i < n; ++i) {
      const auto entry = merges->string_at(done + i);
      if (!entry)
        return Error{Errc::corrupt,
                     fmt::format("{}: {} is array of {}, expected string", file.path(), kMerges,
                                 gguf::name_of(merges->element_type()))};
      const size_t space = std::min(entry->find(' ', 1), entry->size());
      const std::string_view left = entry->substr(0, space);
      const std::string_view right = entry->substr(std::min(space + 1, entry->size()));
      joined[i].assign(left).append(right);
      names[3 * i] = joined[i];
      names[3 * i + 1] = left;
      names[3 * i + 2] = right;
    }
    vocabulary.find_plain(std::span(names).first(3 * n), std::span(tokens).first(3 * n));
    for (size_t i = 0; i < n; ++i)
      __builtin_prefetch(&out.slots_[out.slot_of(key_of(tokens[3 * i + 1], tokens[3 * i + 2]))]);
    for (size_t i = 0; i < n; ++i) {
      const Token* t = &tokens[3 * i];
      if (t[0] < 0 || t[1] < 0 || t[2] < 0)
        ++n_unknown;
      else
        out.add(t[1], t[2], {static_cast<uint32_t>(done + i), t[0]});
    }
  }
  if (n_unknown > 0)
    notes.push_back(fmt::format("{}: {} of {} name what is no plain token and are left out",
                                kMerges, n_unknown, merges->size()));
  return out;
}

void MergeTable::reserve(size_t n_merges) {
  slots_.assign(std::bit_ceil(n_merges + n_merges / 2 + 1), Slot{});
  mask_ = slots_.size() - 1;
}

void MergeTable::add(Token left, Token right, Merge merge) {
  const uint64_t key = key_of(left, right);
  size_t slot = slot_of(key);
  while (slots_[slot].key != kFree && slots_[slot].key != key) slot = (slot + 1) & mask_;
  if (slots_[slot].key == kFree) slots_[slot] = {key, merge};
}

void MergeTable::derive(const Vocabulary& vocabulary) {
  struct Found {
    Token left, right, result;
  };
  constexpr size_t kLongest = 512;  // bytes; no published token comes near
  std::vector<Found> found;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const auto result = static_cast<Token>(id);
    const std::string_view text = vocabulary.text(result);
    if (!vocabulary.is_plain(result) || text.size() > kLongest) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const Token left = vocabulary.find_plain(text.substr(0, cut));
      if (left < 0) continue;
      const Token right = vocabulary.find_plain(text.substr(cut));
      if (right >= 0) found.push_back({left, right, result});
    }
  }
  reserve(found.size());
  for (const Found& f : found) add(f.left, f.right, {static_cast<uint32_t>(f.result), f.result});
}

}  // namespace hearth::tokenizer
