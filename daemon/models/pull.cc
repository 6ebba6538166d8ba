#include "models/pull.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>

#include "support/file.h"
#include "support/hex.h"
#include "support/path.h"

namespace hearth::models {

namespace fs = std::filesystem;

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return Reference(DefaultModel{});
  if (!text.starts_with("hf:")) {
    if (text.find("://") != text.npos)
      return Error{Errc::invalid,
                   fmt::format("\"{}\": an address is not taken, expected hf:ORG/REPO, "
                               "hf:ORG/REPO:QUANT, hf:ORG/REPO/FILE or a path to a .gguf",
                               text)};
    if (text.find('/') != text.npos || text.ends_with(".gguf"))
      return Reference(LocalFile{std::string(text)});
    return Error{Errc::invalid, fmt::format("\"{}\": expected hf:ORG/REPO, hf:ORG/REPO:QUANT, "
                                            "hf:ORG/REPO/FILE or a path to a .gguf",
                                            text)};
  }
  std::string_view rest = text.substr(3);
  size_t slash = rest.find('/');
  Error wrong{
      Errc::invalid,
      fmt::format("\"{}\": expected hf:ORG/REPO, hf:ORG/REPO:QUANT or hf:ORG/REPO/FILE", text)};
  if (slash == rest.npos || slash == 0) return wrong;
  size_t end = rest.find_first_of(":/", slash + 1);
  HubModel model;
  model.repo = rest.substr(0, end);
  if (model.repo.ends_with('/') || model.repo.find("..") != model.repo.npos) return wrong;
  if (end != rest.npos) {
    std::string_view tail = rest.substr(end + 1);
    if (tail.empty() || tail.find("..") != tail.npos) return wrong;
    (rest[end] == ':' ? model.quant : model.file) = tail;
  }
  return Reference(std::move(model));
}

std::optional<Shard> shard_of(std::string_view file) {
  constexpr std::string_view kForm = "-ddddd-of-ddddd.gguf";
  if (file.size() < kForm.size()) return std::nullopt;
  const std::string_view tail = file.substr(file.size() - kForm.size());
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = tail[i] >= '0' && tail[i] <= '9';
    if (kForm[i] == 'd' ? !is_digit : tail[i] != kForm[i]) return std::nullopt;
  }
  Shard shard{file.substr(0, file.size() - kForm.size())};
  std::from_chars(&tail[1], &tail[6], shard.index);
  std::from_chars(&tail[10], &tail[15], shard.count);
  return shard;
}

std::string derive_name(std::string_view file_or_repo) {
  std::string_view stem = file_or_repo.substr(file_or_repo.rfind('/') + 1);
  if (const auto shard = shard_of(stem))
    stem = shard->stem;
  else if (stem.ends_with(".gguf"))
    stem.remove_suffix(5);
  std::string name;
  for (unsigned char c : stem)
    name += std::isalnum(c) || c == '.' || c == '_' ? static_cast<char>(std::tolower(c)) : '-';
  while (name.starts_with('-') || name.starts_with('.')) name.erase(0, 1);
  return name.empty() ? "model" : name;
}

std::string link_name(std::string_view file) {
  std::string name(file.substr(file.size() > 128 ? file.size() - 128 : 0));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  for (size_t at = 0; at < name.size() && (name[at] == '.' || name[at] == '-'); ++at)
    name[at] = '_';
  return name;
}

Result<std::string> sha256_of(const std::string& path) {
  file::Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return file::io_error("open", path, errno);
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::string buffer(1 << 20, '\0');
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file::io_error("read", path, errno);
    if (n == 0) break;
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(n));
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  return hex_of({digest, size});
}

Result<StoredModel> pull_file(const Store& store, const LocalFile& file,
                              const PullOptions& options) {
  std::error_code failed;
  fs::path path = fs::canonical(file.path, failed);
  if (failed) return file::io_error("find", file.path, failed.value());
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return Error{Errc::invalid, fmt::format("{}: expected a regular file", file.path)};
  StoredModel model;
  model.name = options.name.empty() ? derive_name(path.string()) : options.name;
  model.source = "file:" + path.string();
  model.is_linked = true;
  // All shards of a split model are linked, and their names keep their numbers: the reader finds
  // them side by side.
  std::vector<fs::path> shards{path};
  const std::string name = path.filename().string();
  if (const auto mine = shard_of(name)) {
    shards.clear();
    for (const auto& entry : fs::directory_iterator(path.parent_path(), failed)) {
      const std::string other = entry.path().filename().string();
      if (const auto shard = shard_of(other); shard && shard->goes_with(*mine))
        shards.push_back(entry.path());
    }
    std::ranges::sort(shards);
  }
  // Before anything is touched, and of the file itself, so that an error names what the user named.
  if (auto read = read_facts(model, path.string()); !read) return read.error();
  auto draft = store.begin(model.name, model.source);
  if (!draft) return draft.error();
  for (const fs::path& shard : shards) {
    std::string link = path::join(draft->folder, link_name(shard.filename().string()));
    fs::remove(link, failed);
    fs::create_symlink(shard, link, failed);
    if (failed) return file::io_error("link", link, failed.value());
    model.files.push_back({link_name(shard.filename().string()), fs::file_size(shard, failed), ""});
  }
  return store.commit(std::move(model));
}

Result<StoredModel> pull(const Store& store, const Reference& reference,
                         const PullOptions& options) {
  if (auto made = path::make_private_dir(store.folder()); !made) return made.error();
  if (auto* file = std::get_if<LocalFile>(&reference)) return pull_file(store, *file, options);
  if (auto* model = std::get_if<HubModel>(&reference)) return pull_hub(store, *model, options);
  return pull_default(store, options);
}

}  // namespace hearth::models
