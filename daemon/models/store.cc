#include "models/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "support/file.h"
#include "support/json.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth::models {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kRecord = "model.json";
constexpr std::string_view kPartSuffix = ".part";  // of a folder whose download has not ended

// A name is a folder name: no separators, no dot files, nothing a shell or a URL would mind.
Result<> check_name(std::string_view name) {
  bool is_good = !name.empty() && name.size() <= 128 && name.front() != '.' && name.front() != '-';
  for (unsigned char c : name)
    is_good = is_good && (std::isalnum(c) || c == '.' || c == '-' || c == '_');
  if (is_good && !name.ends_with(kPartSuffix)) return {};
  return Error{Errc::invalid,
               fmt::format("model name \"{}\": expected letters, digits, '.', '-' and '_'", name)};
}

Result<StoredModel> read_record(const std::string& folder) {
  auto text = file::read(path::join(folder, kRecord), 1 << 20);
  if (!text) return text.error();
  auto model = json::decode<StoredModel>(*text, path::join(folder, kRecord));
  if (!model) return model.error();
  if (model->files.empty())
    return Error{Errc::corrupt, fmt::format("{}: lists no file", path::join(folder, kRecord))};
  for (const StoredFile& file : model->files)
    if (auto good = check_name(file.name); !good) return good.error();
  model->path = path::join(folder, model->files.front().name);
  return model;
}

// Whose a draft is; what lies in it of another source is of no use.
Result<> begin_record(const std::string& folder, std::string_view name, std::string_view source) {
  const std::string path = path::join(folder, kRecord);
  if (auto text = file::read(path, 1 << 20))
    if (auto begun = json::decode<StoredModel>(*text, path); begun && begun->source == source)
      return {};
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) fs::remove_all(entry, failed);
  StoredModel draft;
  draft.name = name;
  draft.source = source;
  return file::write_atomic(path, json::encode(draft));
}

}  // namespace

std::vector<StoredModel> Store::list() const {
  std::vector<StoredModel> models;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    std::string name = entry.path().filename().string();
    if (!entry.is_directory(failed) || name.ends_with(kPartSuffix)) continue;
    auto model = read_record(entry.path().string());
    if (model)
      models.push_back(std::move(*model));
    else
      log::warn("model left out", {{"model", name}, {"error", model.error().message}});
  }
  std::ranges::sort(models, {}, &StoredModel::name);
  return models;
}

std::optional<StoredModel> Store::find(std::string_view name) const {
  if (!check_name(name)) return std::nullopt;
  auto model = read_record(path::join(folder_, name));
  if (!model) return std::nullopt;
  return std::move(*model);
}

Result<Store::Draft> Store::begin(std::string_view name, std::string_view source) const {
  if (auto good = check_name(name); !good) return good.error();
  if (auto stored = find(name); stored && stored->source != source)
    return Error{Errc::invalid,
                 fmt::format("{} is there already, from {}; give the one from {} another name with "
                             "--name, or remove that first: hearth models rm {}",
                             name, stored->source, source, name)};
  Draft draft;
  draft.folder = path::join(folder_, std::string(name) + std::string(kPartSuffix));
  if (auto made = path::make_private_dir(draft.folder); !made) return made.error();
  draft.lock.reset(::open(draft.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!draft.lock) return file::io_error("open", draft.folder, errno);
  // Whoever held it may have renamed it meanwhile: then it is no draft any more.
  struct stat held{}, there{};
  if (::flock(draft.lock.get(), LOCK_EX | LOCK_NB) != 0 || ::fstat(draft.lock.get(), &held) != 0 ||
      ::stat(draft.folder.c_str(), &there) != 0 || held.st_ino != there.st_ino)
    return Error{Errc::busy, fmt::format("another pull of {} is under way", name)};
  if (auto begun = begin_record(draft.folder, name, source); !begun) return begun.error();
  return draft;
}

Result<StoredModel> Store::commit(StoredModel model) const {
  if (auto good = check_name(model.name); !good) return good.error();
  std::string folder = path::join(folder_, model.name);
  std::string part = folder + std::string(kPartSuffix);
  if (auto done = file::write_atomic(path::join(part, kRecord), json::encode(model)); !done)
    return done.error();
  // An older pull of the same name changes places with it, so that there is one at any moment.
  std::error_code failed;
  bool is_new = !fs::exists(folder, failed);
  if (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, folder.c_str(),
                  is_new ? RENAME_NOREPLACE : RENAME_EXCHANGE) != 0)
    return file::io_error("rename", part, errno);
  if (!is_new) fs::remove_all(part, failed);
  model.path = path::join(folder, model.files.front().name);
  return model;
}

Result<> Store::remove(std::string_view name) const {
  std::error_code failed;
  // By its folder: a broken entry must be removable too.
  if (!check_name(name) || !fs::is_directory(path::join(folder_, name), failed)) {
    std::string known;
    for (const StoredModel& model : list()) known += (known.empty() ? "" : ", ") + model.name;
    return Error{Errc::not_found, fmt::format("no model \"{}\"; pulled are: {}", name,
                                              known.empty() ? "none" : known)};
  }
  fs::remove_all(path::join(folder_, name), failed);
  if (failed) return file::io_error("remove", path::join(folder_, name), failed.value());
  return {};
}

}  // namespace hearth::models
