// Files below tests/data/chat.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/json.h"
#include "support/test_data.h"

namespace hearth::testing {

inline std::filesystem::path chat_data() { return data_path("chat"); }

inline std::string read_chat_file(const std::filesystem::path& name) {
  std::ifstream in(chat_data() / name, std::ios::binary);
  if (!in) throw std::runtime_error((chat_data() / name).string().append(": cannot be read"));
  return {std::istreambuf_iterator<char>(in), {}};
}

inline json::Object read_chat_json(const std::filesystem::path& name) {
  auto value = json::parse_value(read_chat_file(name));
  if (!value) throw std::runtime_error(name.string().append(": ").append(value.error().message));
  return std::move(value->as_object());
}

// Of every model in templates/, sorted.
inline std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(chat_data() / "templates"))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string read_template(const std::string& name) {
  return read_chat_file(std::filesystem::path("templates") / (name + ".jinja"));
}

// A model's name as part of a test's.
inline std::string test_name(const ::testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  auto is_plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::replace_if(name.begin(), name.end(), [&](char c) { return !is_plain(c); }, '_');
  return name;
}

}  // namespace hearth::testing
