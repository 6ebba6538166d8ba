#include "privacy/secrets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <string>

// One pass over the text stops at four places: the start of a word (a key's prefix, "eyJ" of a
// JWT), "://" (a password in an address), '=' and ':' (a value given to a name), and "-----BEGIN".
// Form alone finds too much, so a body must also look drawn by lot: letters and digits in turns,
// enough bits to a character, and none of the words that stand for "put yours here".
namespace hearth::router {

namespace {

bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(unsigned char c) { return is_upper(c) || is_lower(c); }
bool is_alnum(unsigned char c) { return is_alpha(c) || is_digit(c); }
bool is_name(unsigned char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }
bool is_key_char(unsigned char c) { return is_alnum(c) || c == '_' || c == '-'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = is_upper(static_cast<unsigned char>(c)) ? static_cast<char>(c + 32) : c;
  return out;
}

template <class Is>
size_t run(std::string_view text, size_t at, Is is) {
  const size_t begin = at;
  while (at < text.size() && is(static_cast<unsigned char>(text[at]))) ++at;
  return at - begin;
}

double bits_per_character(std::string_view text) {
  std::array<uint32_t, 256> counts{};
  for (unsigned char c : text) ++counts[c];
  double bits = 0;
  for (uint32_t n : counts)
    if (n) bits -= n * std::log2(static_cast<double>(n) / static_cast<double>(text.size()));
  return text.empty() ? 0 : bits / static_cast<double>(text.size());
}

size_t letter_digit_changes(std::string_view text) {
  size_t n = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    const auto a = static_cast<unsigned char>(text[i - 1]), b = static_cast<unsigned char>(text[i]);
    n += (is_digit(a) && is_alpha(b)) || (is_alpha(a) && is_digit(b));
  }
  return n;
}

// What people write where the secret would stand.
bool is_placeholder(std::string_view value) {
  static constexpr std::string_view kInside[] = {
      "example", "placeholder", "changeme",   "change_me", "change-me", "your",
      "xxxx",    "****",        "....",       "dummy",     "redacted",  "insert",
      "replace", "<",           ">",          "${",        "{{",        "$(",
      "%(",      "foobar",      "abcdefgh",   "123456789", "todo",      "0000000",
      "[key]",   "process.env", "os.environ", "getenv",    "undefined", "not-needed"};
  static constexpr std::string_view kWhole[] = {
      "password", "passwd", "pass",     "pwd",      "secret",  "token", "key",    "test",
      "testing",  "none",   "null",     "nil",      "true",    "false", "string", "admin",
      "root",     "user",   "postgres", "mysql",    "guest",   "dev",   "local",  "empty",
      "value",    "hidden", "prompt",   "optional", "required"};
  const std::string text = lower(value);
  return std::ranges::any_of(kInside, [&](auto word) { return text.find(word) != text.npos; }) ||
         std::ranges::count(kWhole, text) > 0;
}

bool looks_drawn(std::string_view body, size_t min_changes, double min_bits) {
  const bool has_digit = std::ranges::any_of(body, [](unsigned char c) { return is_digit(c); });
  return has_digit && letter_digit_changes(body) >= min_changes &&
         bits_per_character(body) >= min_bits && !is_placeholder(body);
}

// ---- keys by their prefix ----

struct KeyForm {
  std::string_view prefix;
  size_t min_body;
  size_t max_body;
};

constexpr KeyForm kKeyForms[] = {
    {"AKIA", 16, 16},
    {"ASIA", 16, 16},
    {"ABIA", 16, 16},
    {"AIza", 35, 35},
    {"LTAI", 12, 24},
    {"ghp_", 30, 255},
    {"gho_", 30, 255},
    {"ghu_", 30, 255},
    {"ghs_", 30, 255},
    {"ghr_", 30, 255},
    {"github_pat_", 40, 255},
    {"glpat-", 20, 64},
    {"gldt-", 20, 64},
    {"sk-ant-", 24, 255},
    {"sk-proj-", 24, 255},
    {"sk-or-", 24, 255},
    {"sk-svcacct-", 24, 255},
    {"sk-", 20, 255},
    {"sk_live_", 16, 255},
    {"rk_live_", 16, 255},
    {"whsec_", 24, 128},
    {"xoxb-", 20, 255},
    {"xoxp-", 20, 255},
    {"xoxa-", 20, 255},
    {"xoxr-", 20, 255},
    {"xoxs-", 20, 255},
    {"xapp-", 20, 255},
    {"hf_", 30, 64},
    {"npm_", 36, 36},
    {"pypi-AgE", 40, 255},
    {"dop_v1_", 64, 64},
    {"shpat_", 32, 32},
    {"shpss_", 32, 32},
    {"gsk_", 40, 80},
    {"xai-", 40, 128},
    {"r8_", 30, 64},
    {"nvapi-", 40, 128},
    {"tskey-", 20, 80},
    {"dckr_pat_", 20, 64},
    {"figd_", 30, 80},
    {"lin_api_", 32, 64},
    {"ntn_", 40, 64},
    {"sntrys_", 40, 255},
    {"glsa_", 32, 64},
    {"AGE-SECRET-KEY-1", 50, 64},
    {"hvs.", 24, 128},
    {"ya29.", 30, 255},
    {"SG.", 40, 80},
    {"EAACEdEose0cBA", 20, 255},
    {"PMAK-", 50, 70},
    {"rubygems_", 40, 64},
    {"pat-", 32, 64},
    {"hth_", 64, 64},
    {"hooks.slack.com/services/", 30, 90},
    {"discord.com/api/webhooks/", 40, 120},
};

// Which two letters begin a prefix, so that most words are passed over at once.
constexpr size_t pair_of(unsigned char a, unsigned char b) { return (a & 63u) << 6 | (b & 63u); }
constexpr std::array<bool, 4096> first_letters() {
  std::array<bool, 4096> first{};
  for (const KeyForm& form : kKeyForms)
    first[pair_of(static_cast<unsigned char>(form.prefix[0]),
                  static_cast<unsigned char>(form.prefix[1]))] = true;
  first[pair_of('e', 'y')] = true;
  for (unsigned char b : {'B', 'b'}) first[pair_of(b, 'e')] = first[pair_of(b, 'a')] = true;
  return first;
}
constexpr std::array<bool, 4096> kFirst = first_letters();

std::optional<Secret> key_at(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at, 320);  // bounded, however many begin here
  for (const KeyForm& form : kKeyForms) {
    if (!rest.starts_with(form.prefix)) continue;
    const bool is_dotted = form.prefix.ends_with('.'), is_address = form.prefix.ends_with('/');
    const size_t n_body = run(rest, form.prefix.size(), [&](unsigned char c) {
      return is_key_char(c) || (is_dotted && c == '.') || (is_address && c == '/');
    });
    if (n_body < form.min_body || n_body > form.max_body) continue;
    const std::string_view body = rest.substr(form.prefix.size(), n_body);
    if (looks_drawn(body, 2, 3.0))
      return Secret{Detector::api_key, at, at + form.prefix.size() + n_body};
  }
  return std::nullopt;
}

// "Bearer KEY", and "Basic KEY" behind the header's name.
std::optional<Secret> header_at(std::string_view text, size_t at) {
  constexpr size_t kMaxBody = 4096;
  const std::string scheme = lower(text.substr(at, 7));
  const bool is_bearer = scheme == "bearer ", is_basic = scheme.starts_with("basic ");
  if (!is_bearer && !is_basic) return std::nullopt;
  if (is_basic) {
    const size_t n_before = std::min<size_t>(at, 24);
    if (lower(text.substr(at - n_before, n_before)).find("authorization") == std::string::npos)
      return std::nullopt;
  }
  const size_t begin = at + (is_bearer ? 7 : 6);
  const size_t n_body = run(
      text.substr(0, std::min(text.size(), begin + kMaxBody)), begin,
      [](unsigned char c) { return is_name(c) || c == '+' || c == '/' || c == '=' || c == '~'; });
  const std::string_view body = text.substr(begin, n_body);
  if (n_body < (is_bearer ? 16u : 12u) || !looks_drawn(body, is_bearer ? 2 : 1, 3.0))
    return std::nullopt;
  return Secret{Detector::api_key, at, begin + n_body};
}

std::optional<Secret> jwt_at(std::string_view text, size_t at) {
  text = text.substr(0, std::min(text.size(), at + 16'384));
  size_t end = at;
  for (int part = 0; part < 3; ++part) {
    const size_t n =
        run(part == 0 ? text.substr(0, std::min(text.size(), at + 1024)) : text, end, is_key_char);
    if (n < 10 || (part < 2 && !text.substr(end).starts_with("eyJ"))) return std::nullopt;
    end += n;
    if (part == 2) break;
    if (end == text.size() || text[end] != '.') return std::nullopt;
    ++end;
  }
  return Secret{Detector::jwt, at, end};
}

// ---- "-----BEGIN ... PRIVATE KEY-----" with a body ----

std::optional<Secret> private_key_at(std::string_view text, size_t at) {
  const std::string_view head = text.substr(at, 80);
  const size_t kind = std::min(head.find("PRIVATE KEY"), head.find("PGP PRIVATE KEY BLOCK"));
  if (kind == head.npos || head.substr(0, kind).find('\n') != head.npos) return std::nullopt;
  const size_t dashes = at + text.substr(at, 120).find("-----", kind);
  if (dashes < at) return std::nullopt;  // at + npos
  // A body: base64 in some dress, escaped or not, soon after.
  const std::string_view body = text.substr(dashes + 5, 4096);
  size_t longest = 0;
  for (size_t i = 0; i < body.size() && longest < 40;) {
    const size_t n = run(
        body, i, [](unsigned char c) { return is_alnum(c) || c == '+' || c == '/' || c == '='; });
    if (n >= 40 && bits_per_character(body.substr(i, std::min<size_t>(n, 64))) >= 3.5) longest = n;
    i += std::max<size_t>(n, 1);
  }
  if (longest < 40) return std::nullopt;
  return Secret{Detector::private_key, at, std::min(text.size(), dashes + 5 + longest)};
}

// ---- scheme://user:password@host ----

std::optional<Secret> connection_at(std::string_view text, size_t at) {
  const size_t begin = at + 3;
  const size_t n_user = run(
      text, begin, [](unsigned char c) { return is_name(c) || c == '%' || c == '+' || c == '~'; });
  size_t password = begin + n_user;
  if (password >= text.size() || text[password] != ':') return std::nullopt;
  ++password;
  const size_t n_password = run(text, password, [](unsigned char c) {
    return c > ' ' && c < 0x7f && c != '@' && c != '/' && c != '"' && c != '\'' && c != '`' &&
           c != '<' && c != '>' && c != '{' && c != '}' && c != '$' && c != '[' && c != ']' &&
           c != '\\' && c != '|' && c != '*';
  });
  const size_t end = password + n_password;
  if (end >= text.size() || text[end] != '@' || n_password < 4) return std::nullopt;
  if (run(text, end + 1, is_name) == 0) return std::nullopt;
  const std::string_view value = text.substr(password, n_password);
  if (is_placeholder(value) || lower(value) == lower(text.substr(begin, n_user)))
    return std::nullopt;
  return Secret{Detector::connection_string, at, end};
}

// ---- NAME = value ----

enum class NameKind : uint8_t { harmless, weak, strong };

// The words of a name: "dbPassword", "AWS_SECRET_ACCESS_KEY", "client-secret".
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool begins = is_upper(c) && i > 0 && is_lower(static_cast<unsigned char>(name[i - 1]));
    if (!is_alnum(c) || begins) words.emplace_back();
    if (is_alnum(c)) words.back() += static_cast<char>(is_upper(c) ? c + 32 : c);
  }
  std::erase(words, "");
  return words;
}

// Most names hold none of these; they are passed over without being taken apart.
bool may_matter(std::string_view name) {
  static constexpr std::string_view kHints[] = {"key", "sec", "pas", "pwd", "tok", "cred", "psk"};
  constexpr std::string_view kTheirs = "kpt";  // each has one of these or a 'c'
  if (std::ranges::none_of(name, [&](char c) {
        const char lower_c = static_cast<char>(c | 0x20);
        return kTheirs.find(lower_c) != kTheirs.npos || lower_c == 'c';
      }))
    return false;
  std::array<char, 64> letters{};
  for (size_t i = 0; i < name.size() && i < letters.size(); ++i)
    letters[i] = static_cast<char>(name[i] | 0x20);
  const std::string_view text(letters.data(), std::min(name.size(), letters.size()));
  return std::ranges::any_of(kHints, [&](auto hint) { return text.find(hint) != text.npos; });
}

NameKind kind_of(std::string_view name) {
  static constexpr std::string_view kStrong[] = {
      "secret",     "password",    "passwd", "passphrase", "pwd",         "apikey",
      "credential", "credentials", "token",  "authtoken",  "accesstoken", "secretkey",
      "accesskey",  "privatekey",  "pass",   "psk"};
  static constexpr std::string_view kOfKeys[] = {
      "api",        "access", "private", "secret",  "signing", "auth", "account",
      "encryption", "master", "service", "license", "shared",  "hmac", "session"};
  static constexpr std::string_view kHarmless[] = {
      "public",  "cache", "sort", "primary", "foreign", "partition", "lookup", "row",    "index",
      "group",   "max",   "min",  "count",   "type",    "name",      "file",   "path",   "id",
      "url",     "uri",   "pad",  "eos",     "bos",     "unk",       "field",  "length", "regex",
      "pattern", "next",  "page", "csrf",    "policy",  "prompt",    "label",  "hint",   "arn"};
  const std::vector<std::string> words = words_of(name);
  auto has = [&](const auto& list) {
    return std::ranges::any_of(words, [&](const std::string& word) {
      return std::ranges::count(list, std::string_view(word)) > 0;
    });
  };
  if (words.empty() || has(kHarmless)) return NameKind::harmless;
  if (has(kStrong)) return NameKind::strong;
  if (std::ranges::count(words, "key") == 0) return NameKind::harmless;
  return has(kOfKeys) ? NameKind::strong : NameKind::weak;
}

// `at` is the '=' or ':'.
std::optional<Secret> assignment_at(std::string_view text, size_t at) {
  // The name in front of it, which may be quoted.
  size_t end = at;
  while (end > 0 && at - end < 4 &&
         (text[end - 1] == ' ' || text[end - 1] == '"' || text[end - 1] == '\'' ||
          text[end - 1] == '\\' || text[end - 1] == ':'))
    --end;
  size_t begin = end;
  while (begin > 0 && end - begin < 64 && is_name(static_cast<unsigned char>(text[begin - 1])))
    --begin;
  // The 'n' of a "\n" within JSON is no letter of it.
  const bool is_behind_escape = begin > 0 && text[begin - 1] == '\\' && text[begin] == 'n';
  if (is_behind_escape) ++begin;
  if (end - begin < 3 || !may_matter(text.substr(begin, end - begin))) return std::nullopt;
  const NameKind kind = kind_of(text.substr(begin, end - begin));
  if (kind == NameKind::harmless) return std::nullopt;

  size_t value = at + 1;
  while (value < text.size() && value - at < 8 &&
         (text[value] == ' ' || text[value] == '\\' || text[value] == '>' || text[value] == '='))
    ++value;
  const bool is_quoted =
      value < text.size() && (text[value] == '"' || text[value] == '\'' || text[value] == '`');
  if (is_quoted) ++value;
  constexpr size_t kMaxValue = 512;
  const size_t n_value = run(
      text.substr(0, std::min(text.size(), value + kMaxValue + 1)), value, [&](unsigned char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '`' && c != '\\' &&
               (is_quoted || (c != ',' && c != ';' && c != ')'));
      });
  const std::string_view found = text.substr(value, n_value);
  const Secret secret{Detector::assignment, begin, value + n_value};
  if (found.size() < 6 || found.size() > kMaxValue || is_placeholder(found)) return std::nullopt;
  // An expression, a path or a reference is no value.
  if (found.find_first_of("()[]{}<>") != found.npos || found[0] == '$' || found[0] == '%' ||
      found[0] == '/' || found[0] == '.' || found.find("://") != found.npos)
    return std::nullopt;

  const bool has_digit = std::ranges::any_of(found, [](unsigned char c) { return is_digit(c); });
  const bool has_alpha = std::ranges::any_of(found, [](unsigned char c) { return is_alpha(c); });
  if (!has_alpha) return std::nullopt;
  // A line of an environment file: whatever stands there is meant.
  size_t line = begin;
  if (text.substr(0, begin).ends_with("export ")) line -= 7;
  const bool begins_line = line == 0 || text[line - 1] == '\n' || is_behind_escape;
  const bool is_shouted =
      std::ranges::none_of(text.substr(begin, end - begin),
                           [](unsigned char c) { return is_lower(c) || c == '-' || c == '.'; });
  if (kind == NameKind::strong && text[at] == '=' && at == end && begins_line && is_shouted &&
      (value == at + 1 || (is_quoted && value == at + 2)) && (has_digit || found.size() >= 12))
    return secret;
  if (kind == NameKind::strong)
    return is_quoted ? (found.size() >= 8 && has_digit && bits_per_character(found) >= 2.5 &&
                                letter_digit_changes(found) >= 1
                            ? std::optional(secret)
                            : std::nullopt)
                     : (found.size() >= 16 && looks_drawn(found, 3, 3.0) ? std::optional(secret)
                                                                         : std::nullopt);
  // A key of a cache or a list is made of words and dashes.
  if (is_quoted && found.size() >= 24 && found.find('-') == found.npos &&
      looks_drawn(found, 6, 3.2))
    return secret;
  return std::nullopt;
}

}  // namespace

std::vector<Secret> find_secrets(std::string_view text) {
  std::vector<Secret> found;
  uint32_t done = 0;
  auto add = [&](std::optional<Secret> secret) {
    const uint32_t bit = secret ? 1u << static_cast<unsigned>(secret->detector) : 0;
    if (!secret || done & bit) return;
    done |= bit;
    found.push_back(*secret);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (is_alnum(c)) {
      if (i + 1 == text.size() || !kFirst[pair_of(c, static_cast<unsigned char>(text[i + 1]))])
        continue;
      const unsigned char before = i > 0 ? static_cast<unsigned char>(text[i - 1]) : ' ';
      // "\nsk-..." within JSON begins a word too.
      const bool begins = !is_alnum(before) || (i > 1 && text[i - 2] == '\\');
      if (!begins) continue;
      if (c == 'B' || c == 'b') add(header_at(text, i));
      add(c == 'e' ? (text.substr(i).starts_with("eyJ") ? jwt_at(text, i) : std::nullopt)
                   : key_at(text, i));
    } else if (c == '=') {
      // No comparison.
      const char before = i > 0 ? text[i - 1] : ' ',
                 after = i + 1 < text.size() ? text[i + 1] : ' ';
      if (after != '=' && before != '=' && before != '!' && before != '<' && before != '>')
        add(assignment_at(text, i));
    } else if (c == ':') {
      if (text.substr(i).starts_with("::")) {
        ++i;  // a scope
        continue;
      }
      if (text.substr(i).starts_with("://"))
        add(connection_at(text, i));
      else
        add(assignment_at(text, i));
    } else if (c == '-' && text.substr(i).starts_with("-----BEGIN")) {
      add(private_key_at(text, i));
      i += 9;
    }
  }
  std::ranges::sort(found, {}, &Secret::begin);
  return found;
}

bool is_distinct(std::string_view key) {
  constexpr size_t kLeast = 8, kLeastOfLetters = 12;
  constexpr std::string_view kNone[] = {"no-key", "nokey", "not-required", "unused", "anything"};
  const std::string text = lower(key);
  const bool has_digit = std::ranges::any_of(key, [](unsigned char c) { return is_digit(c); });
  return key.size() >= (has_digit ? kLeast : kLeastOfLetters) && !is_placeholder(key) &&
         std::ranges::none_of(kNone, [&](auto word) { return text.find(word) != text.npos; });
}

uint32_t detectors_of(std::string_view name) {
  constexpr uint32_t kAll = (1u << std::size(kDetectorNames)) - 1;
  if (name == "key") return kAll;
  for (size_t i = 0; i < std::size(kDetectorNames); ++i)
    if (name == kDetectorNames[i]) return 1u << i;
  return 0;
}

}  // namespace hearth::router
