#include "providers/endpoint.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "providers/table.h"
#include "support/file.h"
#include "support/log.h"

namespace hearth::router {

namespace {

std::string variable_of(const Target& target) {
  if (!target.key_env.empty() || !target.base_url.empty()) return target.key_env;
  return std::string(row_of(target.provider).key_env);
}

Result<std::string> read_key_file(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0)
    return Error{Errc::denied,
                 fmt::format("{}: others can read this key file (mode {:03o}); run: chmod 600 {}",
                             path, info.st_mode & 0777, path)};
  return file::read(path, 64 << 10);
}

// White space at its ends is an editor's or a shell's; inside, it is not a key. `from` names the
// place.
Result<std::string> checked(std::string_view key, const std::string& from) {
  constexpr std::string_view kSpace = " \t\r\n";
  size_t begin = key.find_first_not_of(kSpace);
  if (begin == key.npos)
    return Error{Errc::denied, fmt::format("{} holds no key: it is empty", from)};
  key = key.substr(begin, key.find_last_not_of(kSpace) + 1 - begin);
  if (std::ranges::any_of(key, [](unsigned char c) { return c <= ' ' || c >= 0x7f; }))
    return Error{Errc::denied,
                 fmt::format("{} must hold one key and nothing else: it has white space or "
                             "characters that are not ASCII inside",
                             from)};
  return std::string(key);
}

Result<std::string> key_of(const Target& target) {
  if (!target.key_file.empty()) {
    auto text = read_key_file(target.key_file);
    if (!text) return text.error();
    return checked(*text, target.key_file);
  }
  if (!target.key_secret.empty()) return std::string();  // secret_service.h
  const std::string variable = variable_of(target);
  if (variable.empty()) return std::string();
  const char* value = std::getenv(variable.c_str());
  if (!value || !*value)
    return Error{
        Errc::denied,
        fmt::format(
            "target {} needs a key: set {} in the daemon's environment, or key_file in hearth.toml",
            target.name, variable)};
  return checked(value, "the variable " + variable);
}

}  // namespace

Result<Endpoint> endpoint_of(const Target& target) {
  std::string base =
      target.base_url.empty() ? std::string(row_of(target.provider).base_url) : target.base_url;
  if (base.empty())
    return Error{Errc::invalid,
                 fmt::format("target {}: provider \"{}\" is not known here; give it a base_url",
                             target.name, target.provider)};
  auto key = key_of(target);
  if (!key) return key.error();
  log::hide(*key);
  while (base.ends_with('/')) base.pop_back();
  return Endpoint{std::move(base), std::move(*key)};
}

std::string key_source(const Target& target) {
  if (!target.key_file.empty()) return target.key_file;
  if (!target.key_secret.empty())
    return fmt::format("the Secret Service, as {}", target.key_secret);
  std::string variable = variable_of(target);
  return variable.empty() ? "nowhere: set key_env or key_file" : variable;
}

std::string without_key(std::string text, std::string_view key) {
  if (key.empty()) return text;
  constexpr std::string_view kInstead = "[key]";
  for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + kInstead.size()))
    text.replace(at, key.size(), kInstead);
  return text;
}

}  // namespace hearth::router
