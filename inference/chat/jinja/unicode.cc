#include "chat/jinja/unicode.h"

#include <simdjson.h>
#include <algorithm>

#include "chat/jinja/unicode_tables.h"

namespace hearth::jinja::unicode {

namespace {

const CaseTable& table_of(Case to) {
  switch (to) {
    case Case::upper: return kUpperTable;
    case Case::lower: return kLowerTable;
    case Case::title: return kTitleTable;
    case Case::fold: return kCasefoldTable;
  }
  return kLowerTable;
}

bool is_continuation(char byte) { return (byte & 0xC0) == 0x80; }

}  // namespace

uint32_t flags_of(char32_t code) {
  const uint32_t* end = kRuns + kRunCount;
  uint32_t key = static_cast<uint32_t>(code) << 11 | 0x7FF;
  const uint32_t* after = std::upper_bound(kRuns, end, key);
  return after == kRuns ? 0 : after[-1] & 0x7FF;
}

void append_mapped(std::string& out, char32_t code, Case to) {
  const CaseTable& table = table_of(to);
  auto special = std::lower_bound(
      table.special.begin(), table.special.end(), code,
      [](const CaseSpecial& entry, char32_t wanted) { return entry.code < wanted; });
  if (special != table.special.end() && special->code == code) {
    out += special->text;
    return;
  }
  auto range =
      std::lower_bound(table.ranges.begin(), table.ranges.end(), code,
                       [](const CaseRange& entry, char32_t wanted) { return entry.last < wanted; });
  if (range != table.ranges.end() && range->first <= code &&
      (code - range->first) % range->step == 0)
    code = static_cast<char32_t>(static_cast<int64_t>(code) + range->delta);
  append(out, code);
}

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

void append(std::string& out, char32_t code) {
  auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

char32_t decode(std::string_view text, size_t& at) {
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  uint32_t lead = byte(at);
  if (lead < 0x80) return at += 1, lead;
  size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint32_t code = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(at + i) & 0x3F);
  at += length;
  return code;
}

char32_t decode_before(std::string_view text, size_t& at) {
  do --at;
  while (is_continuation(text[at]));
  size_t end = at;
  return decode(text, end);
}

size_t count(std::string_view text) {
  auto starts = [](char byte) { return !is_continuation(byte); };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts));
}

size_t offset_of(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0; --index) {
    ++at;
    while (at < text.size() && is_continuation(text[at])) ++at;
  }
  return at;
}

}  // namespace hearth::jinja::unicode
