#include "egress/segment.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "support/file.h"
#include "support/hex.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::egress {

namespace {

constexpr std::string_view kSuffix = ".jsonl", kChain = ",\"chain\":\"";
constexpr size_t kChainLength = 64;

std::string chain_of(std::string_view above, std::string_view json) {
  std::string text(above);
  (text += '\n') += json;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned n = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &n, EVP_sha256(), nullptr) != 1)
    std::abort();  // out of memory
  return hex_of(std::span(digest).first(kChainLength / 2));
}

}  // namespace

Chained chained(std::string_view above, std::string json) {
  Chained made{std::move(json), ""};
  made.chain = chain_of(above, made.line);
  made.line.pop_back();  // the object's brace
  made.line += fmt::format("{}{}\"}}\n", kChain, made.chain);
  return made;
}

Result<Chained> unchained(std::string_view above, std::string_view line) {
  const size_t at = line.rfind(kChain);
  if (at == line.npos || line.size() != at + kChain.size() + kChainLength + 2)
    return Error{Errc::corrupt, "the line has no chain at its end"};
  Chained found{std::string(line.substr(0, at)) + "}",
                std::string(line.substr(at + kChain.size(), kChainLength))};
  if (chain_of(above, found.line) != found.chain)
    return Error{Errc::corrupt, "the chain is broken: this line or one above it was changed"};
  return found;
}

std::string segment_path(const std::string& folder, std::string_view segment) {
  return path::join(folder, std::string(segment).append(kSuffix));
}

std::vector<std::string> segments_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::string name = at->path().filename();
    if (!name.ends_with(kSuffix) || name.size() != 10 + kSuffix.size()) continue;
    names.push_back(name.substr(0, 10));
  }
  std::ranges::sort(names);
  return names;
}

std::string day_of(int64_t time_ms) {
  const time_t seconds = time_ms / 1000;
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

Result<End> read_end(const std::string& folder) {
  auto text = file::read(path::join(folder, "head"), 4096);
  if (!text && text.error().code == Errc::not_found) return End{};
  if (!text) return text.error();
  return json::decode<End>(std::string_view(*text), "head");
}

}  // namespace hearth::egress
