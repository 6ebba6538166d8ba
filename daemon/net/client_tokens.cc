#include "net/client_tokens.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "net/digest.h"
#include "net/owned_file.h"
#include "support/file.h"
#include "support/json.h"
#include "support/path.h"

namespace hearth::transport {

namespace {

constexpr size_t kTokenBytes = 32, kMaxTokens = 1000, kMaxFileBytes = 1 << 20, kMaxName = 64;
// So that scanners for leaked secrets can be told what to look for.
constexpr std::string_view kPrefix = "hth_";

struct File {
  std::vector<ClientToken> tokens;
  static void fields(auto& self, auto&& field) { field("tokens", self.tokens); }
};

bool is_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= kMaxName &&
         name.find_first_not_of(kLetters) == name.npos && name.front() != '-';
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_mode == b.st_mode && a.st_uid == b.st_uid;
}

// Held while the file is read, changed and written by one of several command lines.
Result<file::Descriptor> lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  if (auto made = path::make_private_dir(path.substr(0, path.rfind('/'))); !made)
    return made.error();
  file::Descriptor fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return file::io_error("lock", lock_path, errno);
  return fd;
}

}  // namespace

Result<ClientTokens::List> ClientTokens::read() const {
  auto text = read_owned_file(path_, kMaxFileBytes);
  if (!text && text.error().code == Errc::not_found) return List{};
  if (!text) return text.error();
  auto file = json::decode<File>(*text, path_);
  if (!file)
    return Error{Errc::corrupt, (file.error().message.starts_with(path_) ? "" : path_ + ": ") +
                                    file.error().message};
  List list;
  for (ClientToken& token : file->tokens) {
    if (!is_name(token.name) || !is_hex(token.sha256, kTokenBytes))
      return Error{Errc::corrupt,
                   fmt::format("{}: token \"{}\": expected a name and 64 hex digits of SHA-256",
                               path_, token.name)};
    list.push_back(std::make_shared<const ClientToken>(std::move(token)));
  }
  return list;
}

Result<> ClientTokens::write(const List& list) const {
  File file;
  for (const auto& token : list) file.tokens.push_back(*token);
  return file::write_atomic(path_, json::encode(file) + "\n", 0600);
}

Result<std::string> ClientTokens::create(ClientToken token, int64_t now_ms) {
  if (!is_name(token.name))
    return Error{Errc::invalid,
                 fmt::format("\"{}\" is no name for a token, expected 1 to {} letters, digits, "
                             "\".\", \"_\" or \"-\"",
                             token.name, kMaxName)};
  if (token.expires_ms != 0 && token.expires_ms <= now_ms)
    return Error{Errc::invalid, "the token would have expired already"};
  auto locked = lock(path_);
  if (!locked) return locked.error();
  auto list = read();
  if (!list) return list.error();
  if (std::ranges::find(*list, token.name, [](const auto& each) { return each->name; }) !=
      list->end())
    return Error{Errc::invalid,
                 fmt::format("there is a token \"{0}\" already; `hearth token revoke {0}` ends it",
                             token.name)};
  if (list->size() >= kMaxTokens)
    return Error{Errc::invalid, fmt::format("there are {} tokens, which is the most", kMaxTokens)};
  auto secret = random_hex(kTokenBytes);
  if (!secret) return secret.error();
  std::string text = std::string(kPrefix) + *secret;
  token.sha256 = sha256_hex(text);
  token.created_ms = now_ms;
  list->push_back(std::make_shared<const ClientToken>(std::move(token)));
  if (auto written = write(*list); !written) return written.error();
  return text;
}

Result<> ClientTokens::revoke(std::string_view name) {
  auto locked = lock(path_);
  if (!locked) return locked.error();
  auto list = read();
  if (!list) return list.error();
  if (std::erase_if(*list, [&](const auto& each) { return each->name == name; }) == 0) {
    std::vector<std::string> names;
    for (const auto& each : *list) names.push_back(each->name);
    return Error{Errc::not_found,
                 fmt::format("there is no token \"{}\"; {}", name,
                             names.empty() ? "none has been made"
                                           : fmt::format("there are: {}", fmt::join(names, ", ")))};
  }
  return write(*list);
}

bool ClientTokens::refresh() {
  struct stat now{};
  if (::stat(path_.c_str(), &now) != 0) now = {};
  if (is_same(now, seen_)) return false;
  seen_ = now;
  auto list = read();
  fault_.reset();
  if (!list) fault_ = list.error();
  list_ = list ? std::move(*list) : List{};
  if (tell_) tell_(list_);
  return true;
}

std::shared_ptr<const ClientToken> ClientTokens::find(std::string_view presented) const {
  if (list_.empty()) return nullptr;
  const std::string actual = sha256_hex(presented);
  std::shared_ptr<const ClientToken> found;
  for (const auto& token : list_)  // all of them, whoever it is
    if (is_equal(token->sha256, actual)) found = token;
  return found;
}

}  // namespace hearth::transport
