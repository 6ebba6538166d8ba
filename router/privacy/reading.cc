#include "privacy/reading.h"

#include <algorithm>
#include <array>

#include "privacy/secrets.h"

namespace hearth::router {

namespace {

constexpr size_t kMinRun = 48;  // characters of code: 36 bytes of base64, 24 of hexadecimal
constexpr size_t kMaxExcerpts = 32;

constexpr std::array<int8_t, 256> base64_values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  values['-'] = 62;
  values['_'] = 63;
  return values;
}
constexpr std::array<int8_t, 256> kBase64 = base64_values();

int hex_value(unsigned char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

// Letters and not an image or a key: of the first bytes at most one in ten is none.
bool is_readable(std::string_view bytes) {
  bytes = bytes.substr(0, 512);
  const auto n_odd = std::ranges::count_if(bytes, [](unsigned char c) {
    return (c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f || c >= 0xf8;
  });
  const auto n_high = std::ranges::count_if(bytes, [](unsigned char c) { return c >= 0x80; });
  return bytes.size() >= 16 && static_cast<size_t>(n_odd) * 10 <= bytes.size() &&
         static_cast<size_t>(n_high) * 2 <= bytes.size();
}

std::string from_base64(std::string_view digits) {
  std::string out;
  out.reserve(digits.size() * 3 / 4);
  uint32_t bits = 0;
  int n_bits = 0;
  for (unsigned char c : digits) {
    if (kBase64[c] < 0) continue;  // a line break within it
    bits = bits << 6 | static_cast<uint32_t>(kBase64[c]);
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    out.push_back(static_cast<char>(bits >> n_bits));
  }
  return out;
}

std::string from_hex(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(hex_value(static_cast<unsigned char>(digits[i])) << 4 |
                                    hex_value(static_cast<unsigned char>(digits[i + 1]))));
  return out;
}

void decode_run(std::string_view run, std::vector<std::string>& out) {
  const bool is_hex = std::ranges::all_of(
      run, [](unsigned char c) { return hex_value(c) >= 0 || c == '\n' || c == '\r'; });
  // An excerpt of the code need not begin where a group does.
  for (size_t skipped = 0; skipped < (is_hex ? 2 : 4); ++skipped) {
    std::string_view from = run.substr(skipped);
    std::string text = is_hex ? from_hex(from.substr(0, 1024)) : from_base64(from.substr(0, 1024));
    if (!is_readable(text)) continue;
    out.push_back(from.size() <= 1024 ? std::move(text)
                  : is_hex            ? from_hex(from)
                                      : from_base64(from));
    return;
  }
}

void add(Reading& reading, Excerpt excerpt) {
  if (reading.excerpts.size() < kMaxExcerpts && std::ranges::count(reading.excerpts, excerpt) == 0)
    return reading.excerpts.push_back(std::move(excerpt));
  // No room for the path: the labels count.
  if (reading.excerpts.size() < kMaxExcerpts) return;
  std::vector<std::string>& labels = reading.excerpts.back().labels;
  for (std::string& label : excerpt.labels)
    if (std::ranges::count(labels, label) == 0) labels.push_back(std::move(label));
}

void read_plain(std::string_view text, const Workspace& workspace, const DerivedTexts& derived,
                const std::vector<std::string>& own, Reading& reading) {
  for (const Secret& secret : find_secrets(text))
    reading.detectors |= 1u << static_cast<unsigned>(secret.detector);
  if (std::ranges::any_of(own, [&](auto& key) { return text.find(key) != text.npos; }))
    reading.detectors |= 1u << static_cast<unsigned>(Detector::own_key);
  if (workspace.index.entries().empty() && derived.is_empty()) return;
  const std::vector<Fingerprint> lookups = lookups_of(text);
  for (uint32_t owner : workspace.index.owners_of(lookups))
    add(reading, {workspace.files[owner].path, workspace.files[owner].labels});
  if (derived.is_empty()) return;
  std::vector<std::string> labels = derived.labels_of(lookups, whole_fingerprint(text));
  if (!labels.empty()) add(reading, {"", std::move(labels)});
}

}  // namespace

std::vector<std::string> encoded_texts(std::string_view text) {
  std::vector<std::string> found;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool is_digit = i < text.size() && kBase64[static_cast<unsigned char>(text[i])] >= 0;
    if (is_digit) continue;
    // Lines of one encoded block.
    if (i < text.size() && text[i] == '\n' && i - begin >= kMinRun && i + 1 < text.size() &&
        kBase64[static_cast<unsigned char>(text[i + 1])] >= 0)
      continue;
    if (i - begin >= kMinRun) decode_run(text.substr(begin, i - begin), found);
    begin = i + 1;
  }
  return found;
}

// In pieces that overlap, so that memory stays bounded and nothing is cut.
Reading read_text(std::string_view text, const Workspace& workspace, const DerivedTexts& derived,
                  const std::vector<std::string>& own) {
  constexpr size_t kPiece = 256 << 10, kOverlap = 8 << 10;
  Reading reading;
  for (size_t at = 0;; at += kPiece - kOverlap) {
    const std::string_view piece = text.substr(at, kPiece);
    read_plain(piece, workspace, derived, own, reading);
    for (const std::string& inner : encoded_texts(piece))
      read_plain(inner, workspace, derived, own, reading);
    if (at + kPiece >= text.size()) return reading;
  }
}

}  // namespace hearth::router
