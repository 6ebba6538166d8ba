// hearth.toml as it should be: every key, the defaults, layers, printing.
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/environment.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

using router::TargetKind;
using router::TaskClass;
using router::Trust;
using test::TemporaryFolder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Config parsed(std::string_view text) {
  auto config = parse_config(text, "hearth.toml");
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : Config{};
}

// Every key with a value that is not its default.
constexpr std::string_view kEverything = R"(
[server]
port = 1234
allowed_origins = ["https://a.example", "vscode-webview://x"]
max_body = "1MiB"
max_message = 65536
max_connections = 7

[sessions]
quota = "3 GiB"

[log]
level = "debug"
max_size = "1MB"
keep = 9

[policy]
name = "mine"
trust_floor = "zero-retention"

[model.coder]
path = "/models/coder.gguf"
alias = ["c", "code"]
context = 16384
kv_type = "q8_0"
threads = 3
memory = "4GiB"
keep_alive = "2h"

[model.small]
alias = "s"
keep_alive = 0

[target.zed]
kind = "engine"
model = "coder"
trust = "local"
quality = 0.4
context = 4096
max_output = 512
tools = false
images = true
ttft_ms = 12.5
tokens_per_s = 30
cache_life_s = 90
price = {input = 0.01, output = 0.02}

[target.alpha]
kind = "api:deepseek"
model = "deepseek-chat"
key_file = "/keys/deepseek"
trust = "zero-retention"
price = {input = 1, cached = 0.1, output = 4}

[target.own]
kind = "api:acme"
model = "m"
base_url = "http://127.0.0.1:8000/v1"
free = true
key_env = "ACME_KEY"
trust = "local"

[class.commit-message]
targets = ["zed", "alpha"]
min_quality = 0.25
deadline_ms = 5000

[class.chat]
targets = "own"

[[label]]
name = "work"
match = ["src/**", "repo:acme/*"]
trust = "self"

[[label]]
name = "secret"
match = "**/.env"
)";

TEST(Config, AnEmptyFileGivesTheDefaults) {
  Config config = parsed("");
  EXPECT_EQ(config.server.port, 48620);
  EXPECT_THAT(config.server.allowed_origins, IsEmpty());
  EXPECT_EQ(config.server.max_body_bytes, 32u << 20);
  EXPECT_EQ(config.server.max_message_bytes, 4u << 20);
  EXPECT_EQ(config.server.max_connections, 1024u);
  EXPECT_EQ(config.sessions.quota_bytes, 2ull << 30);
  EXPECT_EQ(config.log.level, log::Level::info);
  EXPECT_EQ(config.log.max_bytes, 8u << 20);
  EXPECT_EQ(config.log.keep, 3u);
  EXPECT_THAT(config.models, IsEmpty());
  EXPECT_EQ(config.policy.name, "default");
  EXPECT_EQ(config.policy.trust_floor, Trust::retained);
  EXPECT_THAT(config.policy.targets, IsEmpty());
}

TEST(Config, ReadsServerSessionsAndLog) {
  Config config = parsed(kEverything);
  EXPECT_EQ(config.path, "hearth.toml");
  EXPECT_EQ(config.server.port, 1234);
  EXPECT_THAT(config.server.allowed_origins,
              ElementsAre("https://a.example", "vscode-webview://x"));
  EXPECT_EQ(config.server.max_body_bytes, 1u << 20);
  EXPECT_EQ(config.server.max_message_bytes, 65536u);
  EXPECT_EQ(config.server.max_connections, 7u);
  EXPECT_EQ(config.sessions.quota_bytes, 3ull << 30);
  EXPECT_EQ(config.log.level, log::Level::debug);
  EXPECT_EQ(config.log.max_bytes, 1'000'000u);
  EXPECT_EQ(config.log.keep, 9u);
}

constexpr std::string_view kPaths = R"(
[network]
ca_file = "ca.pem"
[model.beside]
path = "models/../m.gguf"
[model.home]
path = "~/m.gguf"
[model.absolute]
path = "/m.gguf"
[target.t]
kind = "api:openai"
model = "m"
free = true
key_file = "keys/t"
[workspace]
roots = ["src", "~", "/srv"]
)";

TEST(Config, PathsCountFromTheFolderOfTheirFile) {
  const test::Variable home("HOME", "/home/ada");
  auto config = parse_config(kPaths, "/etc/hearth/hearth.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->network.ca_file, "/etc/hearth/ca.pem");
  EXPECT_EQ(config->models.at(0).path, "/etc/hearth/m.gguf");
  EXPECT_EQ(config->models.at(1).path, "/home/ada/m.gguf");
  EXPECT_EQ(config->models.at(2).path, "/m.gguf");
  EXPECT_EQ(config->policy.targets.at(0).key_file, "/etc/hearth/keys/t");
  EXPECT_THAT(config->policy.roots, ElementsAre("/etc/hearth/src", "/home/ada", "/srv"));
}

TEST(Config, EachLayersPathsCountFromItsOwnFolder) {
  TemporaryFolder machine, user;
  std::ofstream(machine / "hearth.toml")
      << "[model.a]\npath = 'a.gguf'\n[model.b]\npath = 'b.gguf'\n";
  std::ofstream(user / "hearth.toml")
      << "policy_file = 'policy.toml'\n[model.b]\npath = 'b.gguf'\n";
  std::ofstream(user / "policy.toml") << "[workspace]\nroots = ['src']\n";
  auto config = load_config({{machine / "hearth.toml", user / "hearth.toml"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->find_model("a")->path, machine / "a.gguf");
  EXPECT_EQ(config->find_model("b")->path, user / "b.gguf");
  EXPECT_THAT(config->policy.roots, ElementsAre(user / "src"));
}

TEST(Config, NamesTheFilesThatAreMissing) {
  TemporaryFolder folder;
  auto config = parse_config(kPaths, folder / "hearth.toml");
  ASSERT_TRUE(config) << config.error().message;
  std::ofstream(folder / "m.gguf") << "GGUF";
  const std::vector<std::string> missing = missing_files(*config);
  EXPECT_THAT(missing,
              Contains("network.ca_file: " + (folder / "ca.pem") + ": No such file or directory"));
  EXPECT_THAT(missing, Contains(HasSubstr("target.t.key_file: " + (folder / "keys/t"))));
  EXPECT_THAT(missing, Contains(HasSubstr("workspace.roots: " + (folder / "src"))));
  EXPECT_THAT(missing, Contains(HasSubstr("model.absolute.path: /m.gguf")));
  EXPECT_THAT(missing, Not(Contains(HasSubstr("model.beside"))));
}

TEST(Config, ReadsModels) {
  Config config = parsed(kEverything);
  ASSERT_THAT(config.models, SizeIs(2));
  const ModelConfig& coder = config.models[0];
  EXPECT_EQ(coder.name, "coder");
  EXPECT_EQ(coder.path, "/models/coder.gguf");
  EXPECT_EQ(coder.settings.n_context, 16384u);
  EXPECT_EQ(coder.settings.kv_type, engine::KvType::q8_0);
  EXPECT_EQ(coder.settings.n_threads, 3u);
  EXPECT_EQ(coder.settings.memory_bytes, 4ull << 30);
  EXPECT_EQ(coder.keep_alive, std::chrono::hours(2));
  EXPECT_EQ(config.models[1].keep_alive, std::chrono::seconds(0));
  EXPECT_EQ(config.models[1].settings.kv_type, engine::KvType::automatic);
  EXPECT_EQ(config.find_model("coder"), &config.models[0]);
  EXPECT_EQ(config.find_model("code"), &config.models[0]);
  EXPECT_EQ(config.find_model("s"), &config.models[1]);
  EXPECT_EQ(config.find_model("x"), nullptr);
}

TEST(Config, ReadsTargetsInTheOrderOfTheFile) {
  Config config = parsed(kEverything);
  ASSERT_THAT(config.policy.targets, SizeIs(3));
  const router::Target& zed = config.policy.targets[0];
  EXPECT_EQ(zed.name, "zed");
  EXPECT_EQ(zed.kind, TargetKind::engine);
  EXPECT_EQ(zed.model, "coder");
  EXPECT_EQ(zed.trust, Trust::local);
  EXPECT_EQ(zed.quality, 0.4);
  EXPECT_EQ(zed.n_context, 4096u);
  EXPECT_EQ(zed.n_max_output, 512u);
  EXPECT_FALSE(zed.has_tools);
  EXPECT_TRUE(zed.has_images);
  EXPECT_EQ(zed.ttft_ms, 12.5);
  EXPECT_EQ(zed.tokens_per_s, 30);
  EXPECT_EQ(zed.cache_life_s, 90u);
  EXPECT_EQ(zed.price->cached, 0.01) << "as dear as fresh input unless said";
  const router::Target& alpha = config.policy.targets[1];
  EXPECT_EQ(alpha.name, "alpha");
  EXPECT_EQ(alpha.provider, "deepseek");
  EXPECT_EQ(alpha.key_file, "/keys/deepseek");
  EXPECT_EQ(alpha.price->input, 1);
  EXPECT_EQ(alpha.price->cached, 0.1);
  EXPECT_EQ(alpha.price->output, 4);
  const router::Target& own = config.policy.targets[2];
  EXPECT_EQ(own.base_url, "http://127.0.0.1:8000/v1");
  EXPECT_EQ(own.key_env, "ACME_KEY");
  EXPECT_EQ(own.trust, Trust::local);
  EXPECT_EQ(own.price->input, 0) << "free";
}

TEST(Config, ATargetHasCarefulDefaults) {
  Config config = parsed(
      "[target.a]\nkind = 'engine'\n"
      "[target.b]\nkind = 'api:openai'\nmodel = 'm'\nprice = {input = 1, output = 2}\n");
  EXPECT_EQ(config.policy.targets.at(0).model, "a") << "an engine target's model is named like it";
  EXPECT_EQ(config.policy.targets[0].trust, Trust::local);
  EXPECT_FALSE(config.policy.targets[0].price);
  EXPECT_EQ(config.policy.targets.at(1).trust, Trust::retained);
  EXPECT_EQ(config.policy.targets[1].price->cached, 1);
}

TEST(Config, ReadsClassesAndLabels) {
  Config config = parsed(kEverything);
  const router::TaskRule& commit = config.policy.tasks.at(TaskClass::commit_message);
  EXPECT_THAT(commit.targets, ElementsAre("zed", "alpha"));
  EXPECT_EQ(commit.min_quality, 0.25);
  EXPECT_EQ(commit.deadline_ms, 5000u);
  EXPECT_THAT(config.policy.tasks.at(TaskClass::chat).targets, ElementsAre("own"));
  EXPECT_EQ(config.policy.tasks.at(TaskClass::chat).deadline_ms, std::nullopt);
  EXPECT_EQ(config.policy.name, "mine");
  EXPECT_EQ(config.policy.trust_floor, Trust::zero_retention);
  ASSERT_THAT(config.policy.labels, SizeIs(2));
  EXPECT_EQ(config.policy.labels[0].name, "work");
  EXPECT_THAT(config.policy.labels[0].match, ElementsAre("src/**", "repo:acme/*"));
  EXPECT_EQ(config.policy.labels[0].trust, Trust::self_hosted);
  EXPECT_EQ(config.policy.labels[1].trust, Trust::local) << "the strictest unless said";
}

// ---- files ----

TEST(LoadConfig, AMissingFileGivesTheDefaults) {
  TemporaryFolder folder;
  auto config = load_config({{folder / "hearth.toml"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->path, "");
  EXPECT_EQ(config->server.port, 48620);
}

// Else a reload after it was removed would drop the policy in silence.
TEST(LoadConfig, AFileThatWasAskedForByNameHasToBeThere) {
  TemporaryFolder folder;
  const std::string path = folder / "hearth.toml";
  auto config = load_config({{path}, true});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr(path + ": cannot open"));
  std::ofstream(path) << "[server]\nport = 1\n";
  config = load_config({{path}, true});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->server.port, 1);
}

TEST(LoadConfig, AFileThatCannotBeReadIsAnErrorAndNotTheDefaults) {
  TemporaryFolder folder;
  EXPECT_FALSE(load_config({{folder.path()}})) << "a folder";
  std::ofstream(folder / "large.toml") << std::string(2 << 20, '#');
  EXPECT_FALSE(load_config({{folder / "large.toml"}}));
}

TEST(LoadConfig, ErrorsNameTheFile) {
  TemporaryFolder folder;
  std::string path = folder / "hearth.toml";
  std::ofstream(path) << "[server]\nport = 'x'\n";
  auto config = load_config({{path}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr(path + ":2: server.port"));
}

TEST(LoadConfig, TheUsersFileIsLaidOverTheMachines) {
  TemporaryFolder folder;
  const std::string machine = folder / "machine.toml", user = folder / "user.toml";
  std::ofstream(machine) << "[server]\nport = 1\nmax_connections = 7\n"
                            "[[label]]\nname = 'team'\nmatch = ['secret/**']\n";
  std::ofstream(user) << "[server]\nport = 2\n[[label]]\nname = 'mine'\nmatch = ['diary/**']\n";
  auto config = load_config({{machine, user, folder / "missing.toml"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.port, 2);
  EXPECT_EQ(config->server.max_connections, 7u);
  ASSERT_EQ(config->policy.labels.size(), 2u);
  EXPECT_EQ(config->policy.labels[0].name, "team");
  EXPECT_EQ(config->policy.labels[1].name, "mine");
  EXPECT_EQ(config->path, machine + ", " + user);
}

TEST(LoadConfig, AnErrorNamesTheFileOfItsKeyAmongSeveral) {
  TemporaryFolder folder;
  const std::string machine = folder / "machine.toml", user = folder / "user.toml";
  std::ofstream(machine) << "[server]\n\nport = 'x'\n";
  std::ofstream(user) << "[server]\nmax_connections = 8\n";
  auto config = load_config({{machine, user}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr(machine + ":3: server.port"));
}

// As a reload does it: the value in force is replaced only by one that was read.
TEST(LoadConfig, AWrongFileKeepsTheOldConfiguration) {
  TemporaryFolder folder;
  std::string path = folder / "hearth.toml";
  std::ofstream(path) << "[server]\nport = 1\n";
  Config in_force = *load_config({{path}});
  std::ofstream(path) << "[server]\nport = 2\nprot = 3\n";
  if (auto next = load_config({{path}})) in_force = *next;
  EXPECT_EQ(in_force.server.port, 1);
  std::ofstream(path) << "[server]\nport = 2\n";
  if (auto next = load_config({{path}})) in_force = *next;
  EXPECT_EQ(in_force.server.port, 2);
}

// ---- printing ----

TEST(PrintConfig, WhatIsPrintedReadsAsTheSameConfiguration) {
  for (std::string_view text : {std::string_view(), kEverything}) {
    std::string printed = to_toml(parsed(text));
    EXPECT_EQ(to_toml(parsed(printed)), printed);
  }
  Config again = parsed(to_toml(parsed(kEverything)));
  EXPECT_EQ(again.log.level, log::Level::debug);
  ASSERT_THAT(again.policy.targets, SizeIs(3));
  EXPECT_EQ(again.policy.targets[0].name, "zed") << "the order is kept";
  EXPECT_EQ(again.policy.targets[0].n_max_output, 512u);
  EXPECT_EQ(again.policy.targets[0].ttft_ms, 12.5);
  EXPECT_EQ(again.policy.targets[0].price->output, 0.02);
  EXPECT_EQ(again.policy.labels.at(1).name, "secret");
  EXPECT_EQ(again.models.at(0).keep_alive, std::chrono::hours(2));
}

TEST(PrintConfig, OddTextSurvives) {
  Config lines = parsed("[policy]\nname = \"\\n\\n'a'\\n\\t\\\"\\\\\\u0001\"\n");
  EXPECT_EQ(lines.policy.name, "\n\n'a'\n\t\"\\\x01");
  EXPECT_EQ(parsed(to_toml(lines)).policy.name, lines.policy.name);
  Config config =
      parsed("[target.\"a.b \\\"c\\\"\"]\nkind = 'engine'\n[model.'x y']\nalias = 'é\\n'\n");
  Config again = parsed(to_toml(config));
  EXPECT_EQ(again.policy.targets.at(0).name, "a.b \"c\"");
  EXPECT_EQ(again.models.at(0).name, "x y");
  EXPECT_THAT(again.models[0].aliases, ElementsAre("é\\n"));
}

TEST(PrintConfig, NamesWhereKeysAreAndNeverTheKeys) {
  TemporaryFolder folder;
  std::ofstream(folder / "key") << "sk-canary";
  ::setenv("HEARTH_TEST_KEY", "sk-canary", 1);
  std::string printed = to_toml(
      parsed("[target.a]\nkind = 'api:openai'\nmodel = 'm'\nkey_file = '" + (folder / "key") +
             "'\nfree = true\n[target.b]\nkind = 'api:openai'\nmodel = 'm'\n"
             "key_env = 'HEARTH_TEST_KEY'\nfree = true\n"));
  ::unsetenv("HEARTH_TEST_KEY");
  EXPECT_THAT(printed, HasSubstr("HEARTH_TEST_KEY"));
  EXPECT_THAT(printed, HasSubstr(folder / "key"));
  EXPECT_THAT(printed, Not(HasSubstr("canary")));
}

}  // namespace
}  // namespace hearth
