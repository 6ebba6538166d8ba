#include "privacy/workspace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "privacy/rules.h"
#include "support/file.h"

namespace hearth::router {

namespace fs = std::filesystem;

namespace {

std::string with_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  return home && (path == "~" || path.starts_with("~/")) ? home + path.substr(1) : path;
}

// "owner/name" of each remote of a repository, from its configuration, read as text: git itself
// would run what stands there.
std::vector<std::string> remotes_of(const std::string& repository) {
  std::vector<std::string> names;
  auto text = file::read(repository + "/.git/config", 1 << 20);
  if (!text) return names;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == line.npos || !line.substr(begin).starts_with("url")) continue;
    const size_t value = line.find('=');
    if (value == line.npos) continue;
    std::string url(line.substr(std::min(line.size(), line.find_first_not_of(" \t", value + 1))));
    if (url.ends_with(".git")) url.resize(url.size() - 4);
    std::ranges::replace(url, ':', '/');  // git@host:owner/name
    const size_t name = url.rfind('/');
    const size_t owner = name == url.npos || name == 0 ? url.npos : url.rfind('/', name - 1);
    if (name != url.npos) names.push_back(url.substr(owner == url.npos ? 0 : owner + 1));
  }
  return names;
}

int64_t change_time(const struct stat& info) {
  return std::max(info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec,
                  info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec);
}

// Histories, and what others publish.
constexpr std::string_view kPassedOver[] = {".git",         ".hg",   ".svn",
                                            "node_modules", ".venv", "__pycache__"};

bool is_binary(std::string_view bytes) {
  return bytes.substr(0, 8192).find('\0') != std::string_view::npos;
}

class Walk {
 public:
  Walk(const std::vector<LabelRule>& rules, const Workspace* before)
      : rules_(rules), before_(before) {
    if (before) *next_ = {before->generation, before->files, {}, {}, {}, 0, 0, {}};
    for (const LabelRule& rule : rules)
      has_repo_rules_ = has_repo_rules_ || std::ranges::any_of(rule.match, [](const auto& pattern) {
                          return pattern.starts_with("repo:");
                        });
  }

  void root(const std::string& path) {
    std::error_code failed;
    const fs::path real = fs::canonical(path, failed);
    if (failed) return next_->unreadable.push_back(path);
    struct stat info{};
    if (::stat(real.c_str(), &info) != 0) return next_->unreadable.push_back(path);
    // A root within a repository belongs to it.
    Repository repository{real, {}};
    for (fs::path up = real; up.has_relative_path(); up = up.parent_path())
      if (fs::exists(up / ".git", failed)) {
        repository = {up, has_repo_rules_ ? remotes_of(up) : std::vector<std::string>()};
        break;
      }
    if (S_ISDIR(info.st_mode))
      folder(real, real, repository);
    else
      file(real, real.parent_path(), repository, info);
  }

  // What earlier texts of the files take; a walk that starts anew has none of them.
  bool is_crowded() const {
    size_t n = before_ ? before_->index.entries().size() : 0;
    for (const Fresh& each : fresh_) n += each.fingerprints.size();
    return before_ && n > Workspace::kMaxEntries;
  }

  // Null: nothing has changed.
  std::shared_ptr<const Workspace> finish() {
    Workspace& next = *next_;
    if (before_ && fresh_.empty() && next.seen.size() == before_->seen.size() &&
        next.folders == before_->folders && next.unreadable == before_->unreadable)
      return nullptr;
    std::vector<ShingleIndex::Entry> entries;
    if (before_) entries = before_->index.entries();
    if (!fresh_.empty()) ++next.generation;
    for (Fresh& each : fresh_) {
      if (entries.size() + each.fingerprints.size() > Workspace::kMaxEntries) {
        ++next.left_out;
        continue;
      }
      const uint32_t owner = owner_of(each);
      next.seen[each.path].owner = owner;
      for (Fingerprint key : each.fingerprints) entries.push_back({key, owner});
    }
    next.index = ShingleIndex(std::move(entries));
    return next_;
  }

 private:
  struct Repository {
    fs::path root;
    std::vector<std::string> remotes;
  };
  struct Fresh {
    std::string path;
    LabelledFile file;
    std::vector<Fingerprint> fingerprints;
  };

  // A file that is read again stays who it was, so that what it kept counts once.
  uint32_t owner_of(Fresh& fresh) {
    std::vector<LabelledFile>& files = next_->files;
    if (before_)
      if (auto old = before_->seen.find(fresh.path);
          old != before_->seen.end() && old->second.owner != Workspace::kNotIndexed &&
          files[old->second.owner].labels == fresh.file.labels)
        return old->second.owner;
    files.push_back(std::move(fresh.file));
    return static_cast<uint32_t>(files.size() - 1);
  }

  void folder(const fs::path& path, const fs::path& root, Repository repository) {
    next_->folders.push_back(path);
    std::error_code failed;
    if (path != repository.root && fs::exists(path / ".git", failed))
      repository = {path, has_repo_rules_ ? remotes_of(path) : std::vector<std::string>()};
    std::vector<fs::path> folders;
    for (fs::directory_iterator at(path, fs::directory_options::skip_permission_denied, failed),
         end;
         !failed && at != end; at.increment(failed)) {
      struct stat info{};
      // A link is not followed: what it points to is labelled where it lies.
      if (::lstat(at->path().c_str(), &info) != 0) continue;
      if (S_ISDIR(info.st_mode)) {
        if (std::ranges::count(kPassedOver, at->path().filename()) == 0)
          folders.push_back(at->path());
      } else if (S_ISREG(info.st_mode)) {
        file(at->path(), root, repository, info);
      }
    }
    for (const fs::path& each : folders) folder(each, root, repository);
  }

  std::vector<std::string> labels_of_file(const fs::path& path, const fs::path& root,
                                          const Repository& repository) const {
    std::vector<std::string> labels;
    auto add = [&](const Source& source) {
      for (const RuleMatch& match : matches_of(rules_, source))
        if (std::ranges::count(labels, match.rule->name) == 0) labels.push_back(match.rule->name);
    };
    add({path.lexically_relative(root), repository.root, {}});
    if (root != repository.root) add({path.lexically_relative(repository.root), {}, {}});
    for (const std::string& remote : repository.remotes) add({{}, remote, {}});
    add({path, {}, {}});
    std::ranges::sort(labels);
    return labels;
  }

  void file(const fs::path& path, const fs::path& root, const Repository& repository,
            const struct stat& info) {
    std::vector<std::string> labels = labels_of_file(path, root, repository);
    if (labels.empty()) return;
    ++next_->n_labelled;
    Workspace::Seen now{change_time(info), static_cast<uint64_t>(info.st_size), info.st_ino,
                        Workspace::kNotIndexed};
    if (before_)
      if (auto old = before_->seen.find(path);
          old != before_->seen.end() && old->second.time_ns == now.time_ns &&
          old->second.size == now.size && old->second.inode == now.inode) {
        next_->left_out += old->second.owner == Workspace::kNotIndexed && now.size > 0 ? 1 : 0;
        next_->seen.emplace(path, old->second);
        return;
      }
    auto [place, is_new] = next_->seen.emplace(path, now);
    if (!is_new) return;  // roots may overlap
    if (now.size > Workspace::kMaxFileBytes) return void(++next_->left_out);
    auto text = file::read(path, Workspace::kMaxFileBytes);
    if (!text) return void(++next_->left_out);
    if (is_binary(*text)) return;
    fresh_.push_back(
        {path, {path.lexically_relative(root), std::move(labels)}, fingerprints_of(*text)});
  }

  const std::vector<LabelRule>& rules_;
  const Workspace* before_;
  std::shared_ptr<Workspace> next_ = std::make_shared<Workspace>();
  std::vector<Fresh> fresh_;
  bool has_repo_rules_ = false;
};

// "/etc/ssl/private/*.pem" -> "/etc/ssl/private"; a rule without wildcards is its file.
std::optional<std::string> fixed_part(const std::string& pattern) {
  const std::string path = with_home(pattern);
  if (!path.starts_with('/')) return std::nullopt;
  const size_t wild = path.find_first_of("*?[");
  if (wild == path.npos) return path;
  const size_t slash = path.rfind('/', wild);
  // The whole machine is not walked for a rule such as "/**/.env".
  return slash == 0 ? std::nullopt : std::optional(path.substr(0, slash));
}

}  // namespace

std::vector<std::string> roots_of(const Policy& policy) {
  std::vector<std::string> roots = policy.roots;
  for (const LabelRule& rule : policy.labels)
    for (const std::string& pattern : rule.match)
      if (auto fixed = fixed_part(pattern)) roots.push_back(std::move(*fixed));
  std::ranges::sort(roots);
  roots.erase(std::ranges::unique(roots).begin(), roots.end());
  return roots;
}

std::shared_ptr<const Workspace> walk(const std::vector<std::string>& roots,
                                      const std::vector<LabelRule>& rules,
                                      std::shared_ptr<const Workspace> before) {
  Walk walking(rules, before.get());
  for (const std::string& root : roots) walking.root(root);
  if (walking.is_crowded()) {
    auto anew = std::make_shared<Workspace>(*walk(roots, rules, nullptr));
    anew->generation = before->generation + 1;
    return anew;
  }
  auto next = walking.finish();
  return next ? next : before ? before : std::make_shared<const Workspace>();
}

}  // namespace hearth::router
