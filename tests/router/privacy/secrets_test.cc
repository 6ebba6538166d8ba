// Secrets by their form: what must be found, and that ordinary code holds none.
#include "privacy/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <string>

#include "support/file.h"
#include "support/test_data.h"

namespace hearth::router {
namespace {

// Test keys are put together here, so that no scanner takes this file for a leak.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) out += part;
  return out;
}

void expect_found(Detector detector, const std::string& text) {
  for (const Secret& secret : find_secrets(text))
    if (secret.detector == detector) return;
  ADD_FAILURE() << kDetectorNames[static_cast<size_t>(detector)] << " not found in: " << text;
}

void expect_none(std::string_view text) {
  for (const Secret& secret : find_secrets(text))
    ADD_FAILURE() << kDetectorNames[static_cast<size_t>(secret.detector)] << " found: "
                  << text.substr(secret.begin, std::min<size_t>(secret.end - secret.begin, 80))
                  << "\nin: " << text.substr(secret.begin > 60 ? secret.begin - 60 : 0, 160);
}

TEST(Secrets, KeysWithAKnownPrefix) {
  for (const std::string& key : {
           joined({"AK", "IA", "Z7QHXW3NRTB2MLKD"}),
           joined({"gh", "p_", "9fK2mQx7Lw3Zt8Rb5Vn1Yc4Hd6Jg0Ps2Ae7U"}),
           joined({"github", "_pat_", "11ABCDEFG0q8Zw2Rt5Yk7_mN3xV9bL4cJ6hG1fD8sA2pO5iU7yT"}),
           joined({"sk", "-ant-", "api03-q8Zw2Rt5Yk7mN3xV9bL4cJ6hG1fD8sA2pO5iU7yT"}),
           joined({"sk", "-proj-", "q8Zw2Rt5Yk7mN3xV9bL4cJ6hG1fD8sA2"}),
           joined({"sk", "-", "q8Zw2Rt5Yk7mN3xV9bL4cJ6h"}),
           joined({"xox", "b-", "2481632640-q8Zw2Rt5Yk7mN3xV9bL4cJ6h"}),
           joined({"AI", "za", "SyD7q8Zw2Rt5Yk7mN3xV9bL4cJ6hG1fD8sA"}),
           joined({"hf", "_", "q8Zw2Rt5Yk7mN3xV9bL4cJ6hG1fD8sA2pO"}),
           joined({"gl", "pat-", "q8Zw2Rt5Yk7mN3xV9bL4"}),
           joined({"hth", "_", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}),
           joined(
               {"hooks.slack.com/", "services/", "T02Q8ZW2R/B05YK7MN3/xV9bL4cJ6hG1fD8sA2pO5iU7"}),
           joined({"sk", "_live_", "q8Zw2Rt5Yk7mN3xV9bL4cJ6h"}),
           joined(
               {"SG", ".", "q8Zw2Rt5Yk7mN3xV9bL4cJ.6hG1fD8sA2pO5iU7yTq8Zw2Rt5Yk7mN3xV9bL4cJ6hG1f"}),
       }) {
    expect_found(Detector::api_key, key);
    expect_found(Detector::api_key, "client = Client(\"" + key + "\")");
    expect_found(Detector::api_key, "{\"text\":\"first line\\n" + key + "\\nlast\"}");
    EXPECT_TRUE(find_secrets("x" + key).empty()) << "within a word";
  }
}

TEST(Secrets, PrivateKeysInEveryDress) {
  const std::string body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
  const std::string pem = joined({"-----BEGIN RSA ", "PRIVATE KEY-----\n"}) + body + "\n-----END";
  expect_found(Detector::private_key, pem);
  std::string escaped = pem;
  for (size_t at; (at = escaped.find('\n')) != escaped.npos;) escaped.replace(at, 1, "\\n");
  expect_found(Detector::private_key, "{\"private\": \"" + escaped + "\"}");
  expect_found(Detector::private_key,
               joined({"-----BEGIN OPENSSH ", "PRIVATE KEY-----\n    "}) + body);
  expect_none(joined({"-----BEGIN PUBLIC KEY-----\n", body, "\n-----END"}));
  expect_none(joined({"if text.startswith('-----BEGIN RSA ", "PRIVATE KEY-----'): return"}));
}

TEST(Secrets, TokensAndConnectionStrings) {
  expect_found(Detector::jwt,
               joined({"Authorization: Bearer ey", "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.ey",
                       "JzdWIiOiI3NDIiLCJuYW1lIjoiQWRhIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1rwW1gFWF"}));
  expect_found(Detector::connection_string, "postgres://shop:k7Wq-29x@db.acme.internal:5432/shop");
  expect_found(Detector::connection_string, "url = 'mongodb+srv://app:Zt8Rb5Vn@cluster0.abc.net'");
  expect_none("postgres://user:password@localhost/db");
  expect_none("https://example.com:8080/@scope/name");
  expect_none("postgres://{user}:{password}@{host}/db and redis://:@localhost");
}

TEST(Secrets, KeysInAHeader) {
  const std::string hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  expect_found(Detector::api_key, "Authorization: Bearer " + hex);
  expect_found(Detector::api_key, "curl -H 'authorization: bearer " + hex + "' http://127.0.0.1");
  expect_found(Detector::api_key, "{\"Authorization\": \"Basic c2hvcDprN1dxLTI5eFp0OFJiNVZu\"}");
  expect_none("Authorization: Bearer $TOKEN, or Bearer <token>");
  expect_none("headers: { Authorization: `Bearer ${await getAccessToken2(user)}` }");
  expect_none("Basic configuration2 is enough; bearer tokens are opaque; Basic Usage");
}

TEST(Secrets, WhatStandsWhereNoKeyIsNeededIsNotLookedFor) {
  for (std::string_view key : {"", "x", "ollama", "lm-studio", "not-needed", "sk-no-key-required",
                               "EMPTY", "dummy-key-1234"})
    EXPECT_FALSE(is_distinct(key)) << key;
  for (std::string_view key : {"acme-4711", "correcthorsebatterystaple"})
    EXPECT_TRUE(is_distinct(key)) << key;
}

TEST(Secrets, ValuesThatAreGivenToATellingName) {
  for (const char* line : {
           "DB_PASSWORD=hunter2!x",
           "export STRIPE_SECRET=rk4f9a2c71",
           "A=1\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzk8Ab1Qe\n",
           "A=1\\nSESSION_SECRET=correct-horse-battery-9\\n",
           "  api_key: \"9f86d081884c7d659a2feaa0c55ad015\"",
           "const clientSecret = 'q8Zw2Rt5Yk7mN3xV';",
           "{\"accessToken\": \"9f86d081884c7d659a2f\"}",
           "password = \"Tr0ub4dor&3\"",
       })
    expect_found(Detector::assignment, line);
}

TEST(Secrets, OrdinaryCodeHoldsNone) {
  for (const char* text : {
           "auto token = lexer.next_token();",
           "const password = process.env.DB_PASSWORD;",
           "api_key: ${{ secrets.API_KEY }}",
           "OPENAI_API_KEY=your-api-key-here",
           "export API_KEY=\"<your key>\"",
           "token: string; password?: string;",
           "max_tokens = 128000, n_tokens=4096",
           "\"tokenizer\": \"gpt-4-32k-0613-cl100k\"",
           "key: 'cache-node-18-linux-x64-2f9a8b7c6d5e'",
           "primary_key=True, foreign_key=\"users.id\"",
           "integrity=\"sha512-q8Zw2Rt5Yk7mN3xV9bL4cJ6hG1fD8sA2pO5iU7yT==\"",
           "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
           "import { sort_key } from './task-list-2';",
           "std::map<std::string, Token> tokens; key = it->first;",
           "PASSWORD_MIN_LENGTH=12",
           "sk-learn and sk-toggleable-control-label",
           "if (key == Key::F12) password_field.focus();",
           "AKIAIOSFODNN7EXAMPLE",
           "password: '********'",
           "<Route key={`${id}-${index}`} />",
           "tokenUrl: 'https://login.acme.com/oauth2/v2.0/token'",
           "eyJ is how a JWT begins",
           "auth_token = get_token(user_id=42)",
           "SECRET_NAME=projects/acme/secrets/db",
       })
    expect_none(text);
}

// The sources of this project: half a million lines and words of ordinary code.
TEST(Secrets, TheProjectItselfHoldsNone) {
  namespace fs = std::filesystem;
  size_t n_bytes = 0;
  for (const char* part : {"daemon", "router", "inference", "editors", "tools"})
    for (const auto& entry :
         fs::recursive_directory_iterator(testing::data_path("../../") + part)) {
      if (!entry.is_regular_file()) continue;
      auto text = file::read(entry.path());
      ASSERT_TRUE(text);
      n_bytes += text->size();
      for (const Secret& secret : find_secrets(*text))
        ADD_FAILURE() << entry.path() << ": "
                      << text->substr(secret.begin,
                                      std::min<size_t>(secret.end - secret.begin, 80));
    }
  EXPECT_GT(n_bytes, 1u << 20);
}

// Work is bounded whatever the text: a megabyte of beginnings that come to nothing.
TEST(Secrets, HostileTextEndsSoon) {
  for (std::string_view piece : {"key=", "sk-", "eyJ-", "-----BEGIN PRIVATE KEY",
                                 "a://b:", "api_key:\"", "=:=:", "token = ", "AKIA"}) {
    std::string text;
    while (text.size() < 1 << 18) text += piece;
    EXPECT_LE(find_secrets(text).size(), 5u);
  }
  std::mt19937 dice(7);
  std::string noise(1 << 16, '\0');
  for (char& c : noise) c = static_cast<char>(dice());
  (void)find_secrets(noise);
}

TEST(Secrets, ARuleNamesOneDetectorOrAll) {
  EXPECT_EQ(detectors_of("key"), 0b111111u);
  EXPECT_EQ(detectors_of("jwt"), 0b00100u);
  EXPECT_EQ(detectors_of("jw"), 0u);
}

}  // namespace
}  // namespace hearth::router
