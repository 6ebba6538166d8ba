#include "privacy/named_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace hearth::router {

namespace {

using Visit = std::function<void(std::string_view)>;

// "filePath" and "file_path" are one: letters alone, small.
std::string plain_name(std::string_view key) {
  std::string name;
  for (char c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c >= 'a' && c <= 'z') name += c;
  }
  return name;
}

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::count(names, name) > 0;
}

constexpr std::array<std::string_view, 17> kPaths{"path",
                                                  "paths",
                                                  "file",
                                                  "files",
                                                  "filepath",
                                                  "filepaths",
                                                  "filename",
                                                  "filenames",
                                                  "targetfile",
                                                  "sourcefile",
                                                  "abspath",
                                                  "absolutepath",
                                                  "relativepath",
                                                  "notebookpath",
                                                  "documentpath",
                                                  "uri",
                                                  "relativeworkspacepath"};
constexpr std::array<std::string_view, 6> kFolders{"cwd",           "workdir", "workingdirectory",
                                                   "workingfolder", "dir",     "directory"};
// Text of files, written or replaced.
constexpr std::array<std::string_view, 18> kTexts{
    "content",    "contents", "filetext", "filecontent", "newstring",  "oldstring",
    "newstr",     "oldstr",   "newtext",  "oldtext",     "newsource",  "oldsource",
    "inserttext", "text",     "codeedit", "replacement", "newcontent", "data"};
// Words to a person, a model or a search.
constexpr std::array<std::string_view, 14> kTalk{
    "query",  "pattern",   "regex",   "prompt",  "description", "explanation", "instructions",
    "reason", "reasoning", "thought", "message", "question",    "todos",       "title"};

bool is_separator(unsigned char c) {
  constexpr std::string_view kMarks = "'\"`;|&()<>,";
  return c <= ' ' || kMarks.find(static_cast<char>(c)) != kMarks.npos;
}

// "FILE=.env", "HEAD:.env", "@.env", "{.env", "-f.env": the whole and what is behind each mark.
void visit_word(std::string_view word, const Visit& visit) {
  constexpr std::string_view kMarks = "=:@{[#+!$", kTail = "}].:!?";
  auto tell = [&](std::string_view path) {
    if (path.empty()) return;
    visit(path);
    if (path.find('\\') != path.npos) {
      std::string other(path);
      std::ranges::replace(other, '\\', '/');
      visit(other);
      std::string unescaped(path);  // a shell's
      std::erase(unescaped, '\\');
      visit(unescaped);
    }
  };
  const size_t last = word.find_last_not_of(kTail);
  auto both = [&](std::string_view path) {
    tell(path);
    if (last != word.npos && last + 1 < word.size()) {
      const size_t n_tail = word.size() - last - 1;
      if (path.size() > n_tail) tell(path.substr(0, path.size() - n_tail));
    }
  };
  both(word);
  if (word.starts_with('-') && word.size() > 2 && word[1] != '-') both(word.substr(2));
  for (std::string_view home : {"$HOME/", "${HOME}/"})
    if (const size_t at = word.find(home); at != word.npos)
      both("~/" + std::string(word.substr(at + home.size())));
  for (size_t at = word.find_first_of(kMarks); at != word.npos;
       at = word.find_first_of(kMarks, at + 1))
    both(word.substr(at + 1));
}

void visit_words(std::string_view text, const Visit& visit) {
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_separator(static_cast<unsigned char>(text[i]))) continue;
    if (i > begin) visit_word(text.substr(begin, i - begin), visit);
    begin = i + 1;
  }
}

// The files of a patch stand at the heads of its parts. False: it is none.
bool visit_patch(std::string_view text, const Visit& visit) {
  constexpr std::array<std::string_view, 7> kHeads{
      "*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: ", "+++ ",
      "--- ",           "rename to "};
  const bool is_patch = text.find("*** Begin Patch") != text.npos ||
                        (text.find("--- ") != text.npos && text.find("\n+++ ") != text.npos);
  if (!is_patch) return false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    for (std::string_view head : kHeads) {
      if (!line.starts_with(head)) continue;
      const std::string_view path = line.substr(head.size());
      visit(path);
      if (path.starts_with("a/") || path.starts_with("b/")) visit(path.substr(2));
    }
  }
  return true;
}

struct Walk {
  const Visit& visit;
  NamedFiles& found;
  std::vector<std::string> folders;

  void read(std::string_view name, std::string_view value) {
    if (is_one_of(kPaths, name) || is_one_of(kFolders, name)) {
      const bool is_folder = is_one_of(kFolders, name);
      if (found.path.empty() && !is_folder) found.path = value;
      if (is_folder) folders.emplace_back(value);
      visit(value);
      return visit_word(value, visit);
    }
    if (visit_patch(value, visit)) {
      found.has_text = true;
    } else if (is_one_of(kTexts, name)) {
      found.has_text = true;
    } else if (!is_one_of(kTalk, name)) {
      if (value.size() <= 1024) visit(value);
      visit_words(value, visit);
    }
  }

  // What stands in a list or an object without a telling name is called as that is.
  void walk(const std::string& name, json::Element element) {
    if (std::string_view text; !element.get_string().get(text)) return read(name, text);
    if (simdjson::dom::array list; !element.get_array().get(list))
      for (json::Element item : list) walk(name, item);
    simdjson::dom::object object;
    if (element.get_object().get(object)) return;
    for (auto [key, value] : object) {
      visit(key);
      walk(plain_name(key), value);
    }
  }
};

bool is_relative(std::string_view path) {
  return !path.empty() && path[0] != '/' && path[0] != '~';
}

}  // namespace

NamedFiles named_files(std::string_view arguments, const Visit& visit) {
  NamedFiles found;
  auto document = json::Document::parse(arguments);
  if (!document) {  // free words, or not JSON
    if (visit_patch(arguments, visit))
      found.has_text = true;
    else
      visit_words(arguments, visit);
    return found;
  }
  Walk first{visit, found, {}};
  first.walk("", document->root());
  // Once more, as seen from the folder that the call names.
  for (const std::string& folder : first.folders) {
    const Visit within = [&](std::string_view path) {
      if (is_relative(path)) visit(folder + "/" + std::string(path));
    };
    NamedFiles again;
    Walk{within, again, {}}.walk("", document->root());
  }
  return found;
}

}  // namespace hearth::router
