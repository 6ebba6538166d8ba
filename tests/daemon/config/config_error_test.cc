// What is wrong in hearth.toml, where, and what would be right.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "settings/section.h"
#include "support/environment.h"

namespace hearth {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string error_of(std::string_view text) {
  auto config = parse_config(text, "hearth.toml");
  if (config) return "no error";
  EXPECT_EQ(config.error().code, Errc::invalid);
  return config.error().message;
}

void check(std::string_view text, int line, std::string_view expected) {
  EXPECT_THAT(error_of(text),
              AllOf(StartsWith(fmt::format("hearth.toml:{}: ", line)), HasSubstr(expected)))
      << text;
}

constexpr std::string_view kRemote = "[target.a]\nkind = 'api:openai'\nmodel = 'm'\n";
// The line is the fourth; the price comes behind it, for those that have none.
std::string remote(std::string_view line) {
  const bool has_price = line.find("price") != line.npos || line.find("free") != line.npos;
  return std::string(kRemote).append(line).append(has_price ? "" : "free = true\n");
}

TEST(ConfigError, SyntaxIsPlaced) {
  check("[server]\nport = \n", 2, "");
  check("[server\n", 1, "");
  check("a = 1\na = 2\n", 2, "");
  check("[server]\n\n\nport = 1_\n", 4, "");
  check("a = \"\xff\"\n", 1, "");
  check("a = 1é\n", 1, "");
  check("a = 39-\u023d 1\n", 1, "");
  for (std::string_view start :
       {"[#", "[[#", "[ =", "[.a]", "[\n", "[[\x01", "[a.#", "a.=", "a.\n"})
    EXPECT_THAT(error_of(start), StartsWith("hearth.toml:")) << start;
}

TEST(ConfigError, TheSameTargetTwiceIsRefused) {
  check("[target.a]\nkind = 'engine'\n[target.a]\nkind = 'engine'\n", 3, "target.a");
}

TEST(ConfigError, UnknownKeysAreErrorsWithASuggestion) {
  check("[server]\nprot = 1\n", 2, "unknown key \"server.prot\"; did you mean \"port\"?");
  check("[sever]\nport = 1\n", 1, "unknown key \"sever\"; did you mean \"server\"?");
  check("[model.x]\nkeepalive = 1\n", 2, "did you mean \"keep_alive\"?");
  check(remote("modle = 'm'\n"), 4, "did you mean \"model\"?");
  check(remote("price = {inptu = 1}\n"), 4, "target.a.price.inptu");
  check("[class.chat]\nmin_qality = 1\n", 2, "did you mean \"min_quality\"?");
  check("[[label]]\nname = 'a'\nmach = 'b'\n", 3, "did you mean \"match\"?");
  check("[log]\nlevle = 'info'\n", 2, "did you mean \"level\"?");
  check("[policy]\nfloor = 'local'\n", 2, "known here: allow deny name on_no_target trust_floor");
  check("[sessions]\nqouta = 1\n", 2, "did you mean \"quota\"?");
}

TEST(ConfigError, AKeyInAWrongPlaceIsNotRepeated) {
  for (std::string_view line :
       {"key = 'sk-canary'\n", "api_key = 'sk-canary'\n", "key_env = 'sk-canary'\n",
        "base_url = 'https://user:canary@x.example'\n",
        "base_url = 'https://x.example/?k=canary'\n"}) {
    EXPECT_THAT(error_of(remote(line)),
                AllOf(HasSubstr("hearth.toml:4: "), Not(HasSubstr("canary"))));
  }
}

TEST(ConfigError, WrongTypesSayWhatIsExpected) {
  check("[server]\nport = 'x'\n", 2, "server.port: expected an integer");
  check("[server]\nport = 1.5\n", 2, "an integer");
  check("[server]\nport = true\n", 2, "an integer");
  check("[server]\nallowed_origins = 1\n", 2, "a string or a list of strings");
  check("[server]\nallowed_origins = ['a',\n 1]\n", 3, "strings");
  check("[server]\nmax_body = 'many'\n", 2, "a size such as");
  check("[server]\nmax_body = 1.5\n", 2, "a size such as");
  check("[model.x]\npath = 1\n", 2, "a string");
  check("[model.x]\nkeep_alive = 'soon'\n", 2, "a time such as");
  check(remote("tools = 1\n"), 4, "true or false");
  check(remote("quality = 'good'\n"), 4, "a number from 0 to 1");
  check(remote("price = 1\n"), 4, "a table");
  check("server = 1\n", 1, "server: expected a table");
  check("target = []\n", 1, "target: expected a table");
  check("target = {a = 1}\n", 1, "target.a: expected a table");
  check("[label]\nname = 'a'\n", 1, "label: expected a list");
  check("label = ['a']\n", 1, "tables: [[label]]");
}

TEST(ConfigError, NumbersHaveBounds) {
  check("[server]\nport = 65536\n", 2, "from 0 to 65535");
  check("[server]\nport = -1\n", 2, "from 0 to 65535");
  check("[server]\nmax_connections = 0\n", 2, "from 1 to");
  check("[server]\nmax_body = -1\n", 2, "a size");
  check("[server]\nmax_body = '99999999TiB'\n", 2, "a size");
  check("[server]\nmax_body = '99999999999999999999'\n", 2, "a size");
  check("[model.x]\nkeep_alive = -1\n", 2, "seconds");
  check("[model.x]\nkeep_alive = '99999999999999d'\n", 2, "seconds");
  check("[model.x]\ncontext = 99999999\n", 2, "an integer from 0");
  for (std::string_view number : {"-0.1", "1.1", "nan", "inf", "-inf"})
    check(remote(fmt::format("quality = {}\n", number)), 4, "from 0 to 1");
  check(remote("tokens_per_s = 0\n"), 4, "a number from");
  check(remote("price = {input = -1}\n"), 4, "target.a.price.input");
  check("[class.chat]\ndeadline_ms = 0\n", 2, "from 1 to");
}

TEST(ConfigError, NothingIsSetSoLowThatTheDaemonCannotWork) {
  check("[server]\nmax_body = 0\n", 2, "at least 65536 bytes");
  check("[server]\nmax_message = '1KiB'\n", 2, "at least 65536 bytes");
  check("[log]\nmax_size = 0\n", 2, "at least 65536 bytes");
  check("[sessions]\nquota = 0\n", 2, "at least 1048576 bytes");
}

TEST(ConfigError, AHomeThatIsNotKnownIsNoFolder) {
  const test::Variable home("HOME", "");
  check("[model.x]\npath = '~/x.gguf'\n", 2, "model.x.path: expected a path without ~");
}

TEST(ConfigError, NamesOfAListAreListed) {
  check("[log]\nlevel = 'loud'\n", 2, "one of error, warn, info, debug, trace");
  check("[model.x]\nkv_type = 'f8'\n", 2, "one of auto, f32, f16, q8_0");
  check("[policy]\ntrust_floor = 'all'\n", 2,
        "one of local, self, zero-retention, retained, trains");
  check("[class.talk]\nmin_quality = 0\n", 1, "one of the classes completion chat edit");
}

TEST(ConfigError, ATargetMustMakeSense) {
  check("[target.a]\nmodel = 'm'\n", 1, "target.a.kind: expected \"engine\", \"api:PROVIDER\"");
  check("[target.a]\nkind = 'api:'\n", 2, "api:PROVIDER");
  check("[target.a]\nkind = 'cloud'\n", 2, "api:PROVIDER");
  check("[target.a]\nkind = 'api:openai'\n", 1, "target.a.model: expected the provider's model id");
  check("[target.a]\nkind = 'api:acme'\nmodel = 'm'\n", 1,
        "target.a.base_url: expected the address of provider \"acme\"");
  check("[target.a]\nkind = 'engine'\nbase_url = 'http://x'\n", 3,
        "no base_url for kind \"engine\"");
  check("[target.a]\nkind = 'engine'\nkey_env = 'K'\n", 3, "no key_env for kind \"engine\"");
  check(remote("key_env = 'A'\nkey_file = '/b'\n"), 5, "one of key_env, key_file and key_secret");
  check("[target.auto]\nkind = 'engine'\n", 1, "another name");
  check("[target.local]\nkind = 'api:openai'\nmodel = 'm'\n", 1, "another name");
}

TEST(ConfigError, ABaseUrlIsAnAddressAndNoMore) {
  for (std::string_view url :
       {"x.example", "ftp://x.example", "http://", "http:///v1", "https://a b",
        "https://x.example/\\n", "https://x.example/v1?a=1", "https://x.example/#a"})
    check(remote(fmt::format("base_url = \"{}\"\n", url)), 4, "http:// or https://");
  for (std::string_view url : {"https://x.example", "http://[::1]:8000/v1/", "http://10.0.0.1:1"})
    EXPECT_EQ(error_of(remote(fmt::format("base_url = '{}'\n", url))), "no error");
}

TEST(ConfigError, OnlyThisMachineCanBeTrustedAsLocal) {
  auto with = [](std::string_view url) {
    return fmt::format(
        "[target.a]\nkind = 'api:vllm'\nmodel = 'm'\ntrust = 'local'\n{}free = true\n", url);
  };
  for (std::string_view url :
       {"base_url = 'https://x.example'\n", "base_url = 'http://127.0.0.1.x.example/v1'\n",
        "base_url = 'http://10.0.0.1:8000'\n", "base_url = 'http://localhost.example'\n"})
    check(with(url), 4, "target.a.trust: expected \"self\" or less");
  for (std::string_view url :
       {"", "base_url = 'http://127.0.0.1:8000/v1'\n", "base_url = 'http://localhost/v1'\n",
        "base_url = 'http://[::1]:80'\n", "base_url = 'http://[::1]'\n"})
    EXPECT_EQ(error_of(with(url)), "no error") << url;
}

// A request would go to it first, and nobody would have said that it is paid for.
TEST(ConfigError, AnApiTargetStatesItsPriceOrThatItIsFree) {
  check(kRemote, 1, "target.a.price: expected");
  check(kRemote, 1, "free = true");
  EXPECT_EQ(error_of(remote("price = {input = 1, output = 2}\n")), "no error");
  EXPECT_EQ(error_of(remote("free = true\n")), "no error");
  check(remote("free = false\n"), 1, "target.a.price");
  check(remote("free = true\nprice = {input = 1}\n"), 4, "either price or free = true");
  check(remote("free = 1\n"), 4, "true or false");
  EXPECT_EQ(error_of("[target.a]\nkind = 'engine'\n"), "no error");
}

TEST(ConfigError, OneLabelHasOneTrust) {
  check("[[label]]\nname = 'a'\n[[label]]\nname = 'a'\ntrust = 'retained'\n", 5,
        "\"local\", as another [[label]] of the name \"a\" has it");
  EXPECT_EQ(error_of("[[label]]\nname = 'a'\nmatch = 'x'\n[[label]]\nname = 'a'\n"), "no error");
}

TEST(ConfigError, ReferencesMustLead) {
  check("[class.chat]\nmin_quality = 0\ntargets = ['local',\n'gone']\n", 3,
        "there is no target \"gone\"");
  check("[model.a]\nalias = 'x'\n[model.b]\nalias = 'x'\n", 2, "\"x\" is also model b");
  check("[model.a]\n[model.b]\nalias = 'a'\n", 3, "\"a\" is also model a");
  check("[[label]]\nmatch = 'x'\n", 1, "label.name: expected the label's name");
}

TEST(ConfigError, TheFirstErrorIsReported) {
  check("[server]\nport = 'x'\nmax_body = 'y'\n[log]\nkeep = 0\n", 2, "server.port");
}

TEST(Nearest, SuggestsOnlyWhatIsNear) {
  const std::set<std::string, std::less<>> known = {"port", "max_body", "max_message"};
  EXPECT_EQ(settings::nearest("prot", known), "port") << "a swap is one change";
  EXPECT_EQ(settings::nearest("pots", known), std::nullopt) << "two changes of four letters";
  EXPECT_EQ(settings::nearest("por", known), "port");
  EXPECT_EQ(settings::nearest("max_bdoy", known), "max_body");
  EXPECT_EQ(settings::nearest("colour", known), std::nullopt);
  EXPECT_EQ(settings::nearest("", known), std::nullopt);
}

}  // namespace
}  // namespace hearth
