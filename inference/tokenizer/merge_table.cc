#include "merge_table.h"

#include <fmt/format.h>

#include <bit>

namespace hearth::tokenizer {

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
  std::string joined;
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const auto entry = merges->string_at(rank);
    if (!entry)
      return Error{Errc::corrupt, fmt::format("{}: {} is array of {}, expected string", file.path(),
                                              kMerges, gguf::name_of(merges->element_type()))};
    const size_t space = entry->find(' ', 1);
    const std::string_view left = entry->substr(0, space);
    const std::string_view right =
        space < entry->size() ? entry->substr(space + 1) : std::string_view();
    joined.assign(left).append(right);
    const Token result = vocabulary.find_plain(joined);
    const Token left_token = vocabulary.find_plain(left);
    const Token right_token = vocabulary.find_plain(right);
    if (result < 0 || left_token < 0 || right_token < 0)
      ++n_unknown;
    else
      out.add(left_token, right_token, {static_cast<uint32_t>(rank), result});
  }
  if (n_unknown > 0)
    notes.push_back(fmt::format("{}: {} of {} name what is no plain token and are left out",
                                kMerges, n_unknown, merges->size()));
  return out;
}

void MergeTable::reserve(size_t n_merges) {
  slots_.assign(std::bit_ceil(n_merges * 2 + 1), Slot{});
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
