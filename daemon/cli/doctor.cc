// `hearth doctor`: checks, each with its finding and the fix. Exit status 1 when one of them
// failed.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "inference/entry_points.h"
#include "models/store.h"

namespace hearth::cli {

namespace {

enum class Verdict { good, note, bad };

struct Check {
  std::string_view name;
  Verdict verdict;
  std::string finding;
};

Check check_processor() {
  const std::string path = engine::processor_path();
  if (path == "scalar")
    return {"processor", Verdict::note, "no AVX2: local models run on the scalar path, slowly"};
  return {"processor", Verdict::good, fmt::format("local models run on the {} path", path)};
}

Check check_memory(uint64_t model_memory_bytes) {
  bool is_little = model_memory_bytes < (512u << 20);
  return {"memory", is_little ? Verdict::note : Verdict::good,
          fmt::format("{} for models{}", size_text(model_memory_bytes),
                      is_little ? ": only small ones fit" : "")};
}

// Touches nothing: a folder is made, and its mode tightened, by whoever needs it first.
Check check_folder(std::string_view name, const std::string& folder) {
  struct stat status{};
  std::string existing = folder;
  while (existing.size() > 1 && ::lstat(existing.c_str(), &status) != 0 && errno == ENOENT)
    existing.resize(std::max<size_t>(existing.rfind('/'), 1));
  const bool is_there = existing == folder;
  auto bad = [&](std::string_view why) {
    return Check{name, Verdict::bad, fmt::format("{}: {}", existing, why)};
  };
  if (is_there && !S_ISDIR(status.st_mode)) return bad("expected a folder, found something else");
  if (is_there && status.st_uid != ::geteuid())
    return bad(fmt::format("belongs to uid {}, expected {}", status.st_uid, ::geteuid()));
  if (::access(existing.c_str(), W_OK | X_OK) != 0) return bad(std::strerror(errno));
  struct statvfs info{};
  ::statvfs(existing.c_str(), &info);
  uint64_t n_free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  Verdict verdict = n_free < (64u << 20)  ? Verdict::bad
                    : n_free < (1u << 30) ? Verdict::note
                                          : Verdict::good;
  return {
      name, verdict,
      fmt::format("{}{} ({} free)", folder, is_there ? "" : ", not there yet", size_text(n_free))};
}

Check check_runtime_folder(const std::string& folder) {
  if (auto own = path::refuse_shared_dir(folder); !own)
    return {"runtime", Verdict::bad, own.error().message};
  return check_folder("runtime", folder);
}

Check check_config(const Common& common) {
  auto config = load_config(common.config_files);
  if (!config) return {"configuration", Verdict::bad, config.error().message};
  if (const auto missing = missing_files(*config); !missing.empty())
    return {"configuration", Verdict::bad, fmt::format("{}", fmt::join(missing, "; "))};
  return {"configuration", Verdict::good,
          config->path.empty() ? "defaults (no " + common.config_files.paths.back() + ")"
                               : config->path};
}

// Databases that were damaged: a daemon sets them aside at its start and begins new ones.
Check check_databases(const std::string& state_folder) {
  std::string names;
  for (const char* folder : {"sessions", "ledger"}) {
    std::error_code failed;
    for (const auto& entry :
         std::filesystem::directory_iterator(path::join(state_folder, folder), failed))
      if (entry.path().filename().string().find(".damaged-") != std::string::npos)
        names += (names.empty() ? "" : ", ") + entry.path().string();
  }
  if (names.empty()) return {"databases", Verdict::good, "none was found damaged"};
  return {"databases", Verdict::note,
          fmt::format("damaged and set aside: {}; keep them to have them looked at, or `hearth gc` "
                      "removes them",
                      names)};
}

Check check_models(const Common& common) {
  auto models = models::Store(path::join(common.folders.data, "models")).list();
  if (models.empty())
    return {"models", Verdict::note, "none is pulled; get one with `hearth pull`"};
  std::string names;
  for (const auto& model : models) {
    struct stat info{};
    if (::stat(model.path.c_str(), &info) != 0)
      return {"models", Verdict::bad,
              fmt::format("{}: its file {} is gone; `hearth models rm {}` or pull it again",
                          model.name, model.path, model.name)};
    names += (names.empty() ? "" : ", ") + model.name;
  }
  return {"models", Verdict::good, names};
}

Check check_daemon(const Common& common) {
  auto daemon = find_daemon(common.folders);
  auto client = daemon ? RpcClient::connect(*daemon) : Result<RpcClient>(daemon.error());
  if (!client)
    return {"daemon", client.error().code == Errc::not_found ? Verdict::note : Verdict::bad,
            client.error().message};
  if (std::string note = version_note(*daemon); !note.empty())
    return {"daemon", Verdict::note, std::move(note)};
  return {"daemon", Verdict::good,
          fmt::format("{} answers at {} (pid {})", daemon->version, daemon->url, daemon->pid)};
}

int run(const Common& common) {
  std::vector<Check> checks{check_processor(),
                            check_memory(engine::model_memory_bytes()),
                            check_folder("state", common.folders.state),
                            check_folder("data", common.folders.data),
                            check_runtime_folder(common.folders.runtime),
                            check_config(common),
                            check_databases(common.folders.state),
                            check_models(common),
                            check_daemon(common)};
  static constexpr std::string_view kWords[] = {"good", "note", "bad"};
  bool is_bad = false;
  json::Array rows;
  for (const Check& check : checks) {
    std::string_view word = kWords[static_cast<size_t>(check.verdict)];
    is_bad = is_bad || check.verdict == Verdict::bad;
    if (common.json)
      rows.push_back(
          json::Object{{"check", check.name}, {"verdict", word}, {"finding", check.finding}});
    else
      fmt::print("{}{:<5}{} {:<14} {}\n", check.verdict == Verdict::bad ? red(STDOUT_FILENO) : "",
                 word, check.verdict == Verdict::bad ? reset(STDOUT_FILENO) : "", check.name,
                 printable(check.finding));
  }
  if (common.json)
    fmt::print("{}\n", boost::json::serialize(
                           json::Object{{"checks", std::move(rows)}, {"good", !is_bad}}));
  return is_bad ? kFailed : 0;
}

}  // namespace

Command doctor() {
  return command("doctor", "Check this machine and installation", run,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
