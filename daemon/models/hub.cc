// Models of the hub: list the repository's files, choose, download every shard with resume, verify.
//
// The hub's interface, as its public client uses it: GET /api/models/ORG/REPO/tree/main lists files
// with size and, for large ones, lfs.oid (the SHA-256), a page at a time (Link: rel="next"); GET
// /ORG/REPO/resolve/main/FILE redirects to the bytes. HF_ENDPOINT names another hub, HF_TOKEN opens
// private and gated repositories.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "models/pull.h"
#include "outbound/http_client.h"
#include "support/file.h"
#include "support/json.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth::models {

namespace fs = std::filesystem;

namespace {

struct RemoteFile {
  std::string path;
  uint64_t size_bytes = 0;
  std::string sha256;  // empty: the hub does not say

  std::string_view name() const { return std::string_view(path).substr(path.rfind('/') + 1); }
};

// What to take when nobody says: good quality for its size first.
constexpr std::array<std::string_view, 8> kPreferred = {"Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_1",
                                                        "Q4_0",   "Q6_K",   "Q8_0",   "F16"};

struct Hub {
  std::string endpoint;
  std::string token;

  static Hub from_environment() {
    const char* endpoint = std::getenv("HF_ENDPOINT");
    const char* token = std::getenv("HF_TOKEN");
    Hub hub{endpoint && *endpoint ? endpoint : "https://huggingface.co", token ? token : ""};
    while (hub.endpoint.ends_with('/')) hub.endpoint.pop_back();
    return hub;
  }

  OutboundRequest get(std::string url) const {
    OutboundRequest request;
    request.url = std::move(url);
    request.follow_redirects = true;
    if (!token.empty()) request.headers.push_back("authorization: Bearer " + token);
    return request;
  }
};

std::string url_path(std::string_view path) {
  std::string encoded;
  for (unsigned char c : path)
    if (std::isalnum(c) ||
        std::string_view("-._~/").find(static_cast<char>(c)) != std::string_view::npos)
      encoded += static_cast<char>(c);
    else
      encoded += fmt::format("%{:02X}", c);
  return encoded;
}

Error refused(const Hub& hub, const std::string& what, long status) {
  switch (status) {
    case 401:
    case 403:
      return {Errc::denied,
              fmt::format("{}: {} answered {}: the repository is private, gated or misspelt; {}",
                          what, hub.endpoint, status,
                          hub.token.empty() ? "set HF_TOKEN to a token that may read it"
                                            : "HF_TOKEN may not read it")};
    case 404:
      return {Errc::not_found,
              fmt::format("{}: {} has no such repository or file", what, hub.endpoint)};
    case 429:
      return {Errc::busy,
              fmt::format("{}: {} limits requests (429); try again later", what, hub.endpoint)};
    default: return {Errc::upstream, fmt::format("{}: {} answered {}", what, hub.endpoint, status)};
  }
}

// The query of the next page's address: `<https://host/path?QUERY>; rel="next"`. Its host is not
// taken: the token goes to the hub that was asked, and to no other.
std::string query_of_next(const OutboundResponse& response) {
  const std::string_view link = response.header("link").value_or("");
  const size_t end = link.find(">; rel=\"next\"");
  const size_t begin = end == link.npos ? end : link.rfind('<', end);
  if (begin == link.npos) return "";
  const std::string_view address = link.substr(begin + 1, end - begin - 1);
  const size_t query = address.find('?');
  return query == address.npos ? "" : std::string(address.substr(query + 1));
}

// One page of the listing; `query` becomes the next one's, empty after the last.
Task<Result<std::vector<RemoteFile>>> list_page(HttpClient& http, const Hub& hub, std::string repo,
                                                std::string& query) {
  std::string body;
  HttpClient::BodySink keep = [&](const OutboundResponse&, std::string_view piece) {
    body += piece;
    return true;
  };
  OutboundRequest request =
      hub.get(fmt::format("{}/api/models/{}/tree/main?{}", hub.endpoint, url_path(repo), query));
  auto response = co_await http.fetch(std::move(request), std::move(keep));
  if (!response)
    co_return Error{response.error().code,
                    fmt::format("{}; check the network (proxies of the environment and HF_ENDPOINT "
                                "are honoured), or pull a file that is here: hearth pull PATH",
                                response.error().message)};
  if (response->status != 200) co_return refused(hub, repo, response->status);
  query = query_of_next(*response);
  auto document = json::Document::parse(body);
  simdjson::dom::array entries;
  if (!document || document->root().get_array().get(entries))
    co_return Error{Errc::upstream, fmt::format("{}: {} sent a listing that is not understood",
                                                repo, hub.endpoint)};
  std::vector<RemoteFile> files;
  for (json::Element entry : entries) {
    RemoteFile file;
    std::string_view path, sha256;
    if (entry["path"].get_string().get(path) || !path.ends_with(".gguf")) continue;
    file.path = path;
    if (entry["size"].get_uint64().get(file.size_bytes)) file.size_bytes = 0;
    json::Element lfs;
    if (!entry["lfs"].get(lfs) && !lfs["oid"].get_string().get(sha256)) file.sha256 = sha256;
    files.push_back(std::move(file));
  }
  co_return files;
}

Task<Result<std::vector<RemoteFile>>> list_files(HttpClient& http, const Hub& hub,
                                                 std::string repo) {
  std::vector<RemoteFile> files;
  std::string query = "recursive=1";
  constexpr int kMaxPages = 100;
  for (int n_pages = 0; !query.empty(); ++n_pages) {
    if (n_pages == kMaxPages)
      co_return Error{Errc::upstream, fmt::format("{}: {} lists more than {} pages of files", repo,
                                                  hub.endpoint, kMaxPages)};
    auto page = co_await list_page(http, hub, repo, query);
    if (!page) co_return page.error();
    files.insert(files.end(), page->begin(), page->end());
  }
  co_return files;
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return !std::ranges::search(text, part, [](unsigned char a, unsigned char b) {
            return std::tolower(a) == std::tolower(b);
          }).empty();
}

// Side files (vision projectors, draft heads, importance matrices) are no models of their own.
bool is_side_file(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with("mmproj") || name.starts_with("mtp-") ||
         contains_ignoring_case(name, "imatrix");
}

// The model's file, or all of its shards in order, whichever of them was named.
Result<std::vector<RemoteFile>> choose(const std::vector<RemoteFile>& files,
                                       const HubModel& model) {
  const RemoteFile* chosen = nullptr;
  auto first_with = [&](std::string_view quant) -> const RemoteFile* {
    for (const RemoteFile& file : files) {
      const std::string_view name = file.name();
      // "Q4_K" must not pick Q4_K_M: what follows has to be a separator.
      auto at = std::ranges::search(name, quant, [](unsigned char a, unsigned char b) {
        return std::tolower(a) == std::tolower(b);
      });
      if (at.empty() || is_side_file(file.path)) continue;
      if (at.end() == name.end() || *at.end() == '.' || *at.end() == '-') return &file;
    }
    return nullptr;
  };
  if (!model.file.empty()) {
    for (const RemoteFile& file : files)
      if (file.path == model.file) chosen = &file;
  } else if (!model.quant.empty()) {
    chosen = first_with(model.quant);
  } else {
    for (std::string_view quant : kPreferred)
      if (!chosen) chosen = first_with(quant);
    if (!chosen && files.size() == 1) chosen = &files.front();
  }
  if (!chosen) {
    std::string known;
    for (const RemoteFile& file : files)
      if (!is_side_file(file.path)) known += "\n  " + file.path;
    return Error{Errc::not_found,
                 fmt::format("{}: no GGUF file matches; {}", model.repo,
                             known.empty() ? "the repository holds none" : "it holds:" + known)};
  }
  const auto mine = shard_of(chosen->path);
  if (!mine) return std::vector<RemoteFile>{*chosen};
  std::vector<RemoteFile> shards;
  for (const RemoteFile& file : files)
    if (const auto shard = shard_of(file.path); shard && shard->goes_with(*mine))
      shards.push_back(file);
  std::ranges::sort(shards, {}, &RemoteFile::path);
  if (shards.size() != mine->count)
    return Error{Errc::not_found, fmt::format("{}: {} of {} shards are there", chosen->path,
                                              shards.size(), mine->count)};
  return shards;
}

constexpr std::string_view kPartSuffix = ".download";

// What download() left at `path`, whole or not.
uint64_t bytes_here(const std::string& path) {
  struct stat info{};
  for (const std::string& file : {path, path + std::string(kPartSuffix)})
    if (::stat(file.c_str(), &info) == 0) return static_cast<uint64_t>(info.st_size);
  return 0;
}

// Appends to PATH.download, resuming after what is there; renamed to PATH when size and hash agree.
Task<Result<>> download(HttpClient& http, const Hub& hub, std::string repo, RemoteFile remote,
                        std::string path, const std::function<void(uint64_t)>& on_bytes) {
  std::string part = path + std::string(kPartSuffix);
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) co_return Result<>();  // verified before
  file::Descriptor fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) co_return file::io_error("create", part, errno);
  ::fstat(fd.get(), &info);
  uint64_t n_done = static_cast<uint64_t>(info.st_size);
  bool is_complete = remote.size_bytes && n_done == remote.size_bytes;
  if (!is_complete) {
    OutboundRequest request = hub.get(
        fmt::format("{}/{}/resolve/main/{}", hub.endpoint, url_path(repo), url_path(remote.path)));
    request.max_body_bytes = std::numeric_limits<uint64_t>::max();
    if (n_done) request.headers.push_back(fmt::format("range: bytes={}-", n_done));
    bool is_first = true;
    int write_error = 0;
    HttpClient::BodySink write = [&](const OutboundResponse& head, std::string_view piece) {
      if (head.status >= 300) return true;
      if (is_first && head.status != 206) n_done = 0;  // no ranges here: from the start
      is_first = false;
      while (!piece.empty()) {
        ssize_t n = ::pwrite(fd.get(), piece.data(), piece.size(), static_cast<off_t>(n_done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
          write_error = errno;
          return false;
        }
        n_done += static_cast<uint64_t>(n);
        piece.remove_prefix(static_cast<size_t>(n));
      }
      on_bytes(n_done);
      return remote.size_bytes == 0 || n_done <= remote.size_bytes;
    };
    auto response = co_await http.fetch(std::move(request), std::move(write));
    if (write_error) co_return file::io_error("write", part, write_error);
    if (!response && response.error().code != Errc::cancelled)
      co_return Error{response.error().code,
                      fmt::format("{}; {} of {} bytes are kept, pull again to go on",
                                  response.error().message, n_done, remote.size_bytes)};
    if (response && response->status >= 300 && response->status != 416)
      co_return refused(hub, remote.path, response->status);
  }
  (void)!::ftruncate(fd.get(), static_cast<off_t>(n_done));
  if (::fsync(fd.get()) != 0) co_return file::io_error("sync", part, errno);
  if (remote.size_bytes && n_done != remote.size_bytes) {
    bool is_short = n_done < remote.size_bytes;
    if (!is_short) ::unlink(part.c_str());
    co_return Error{
        Errc::upstream,
        fmt::format("{}: got {} bytes, expected {}; {}", remote.path, n_done, remote.size_bytes,
                    is_short ? "pull again to go on" : "removed, pull again")};
  }
  if (!remote.sha256.empty()) {
    auto sha256 = sha256_of(part);
    if (!sha256) co_return sha256.error();
    if (*sha256 != remote.sha256) {
      ::unlink(part.c_str());
      co_return Error{Errc::corrupt,
                      fmt::format("{}: SHA-256 is {}, the hub says {}; removed, pull again",
                                  remote.path, *sha256, remote.sha256)};
    }
  }
  if (::rename(part.c_str(), path.c_str()) != 0) co_return file::io_error("rename", part, errno);
  co_return Result<>();
}

Result<> check_space(const std::string& folder, uint64_t n_needed) {
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) return {};
  uint64_t n_free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (n_free > n_needed) return {};
  return Error{Errc::io, fmt::format("{}: {} MB free, the model needs {} MB", folder, n_free >> 20,
                                     n_needed >> 20)};
}

Task<Result<StoredModel>> pull_files(HttpClient& http, const Store& store, HubModel wanted,
                                     PullOptions options) {
  Hub hub = Hub::from_environment();
  auto files = co_await list_files(http, hub, wanted.repo);
  if (!files) co_return files.error();
  auto chosen = choose(*files, wanted);
  if (!chosen) co_return chosen.error();

  StoredModel model;
  model.name = options.name.empty() ? derive_name(chosen->front().path) : options.name;
  model.source = fmt::format("hf:{}/{}", wanted.repo, chosen->front().path);
  if (auto stored = store.find(model.name); stored && stored->source == model.source)
    co_return std::move(*stored);
  auto draft = store.begin(model.name, model.source);
  if (!draft) co_return draft.error();
  const std::string& folder = draft->folder;
  uint64_t n_total = 0, n_here = 0, n_before = 0;
  for (const RemoteFile& file : *chosen) {
    n_total += file.size_bytes;
    n_here += std::min(file.size_bytes, bytes_here(path::join(folder, file.name())));
  }
  if (auto enough = check_space(folder, n_total - n_here); !enough) co_return enough.error();

  auto last_report = std::chrono::steady_clock::time_point::min();
  for (const RemoteFile& file : *chosen) {
    std::string name(file.name());
    std::function<void(uint64_t)> on_bytes = [&](uint64_t n_done) {
      auto now = std::chrono::steady_clock::now();
      if (!options.progress || now < last_report + std::chrono::milliseconds(200)) return;
      last_report = now;
      options.progress({name, n_before + n_done, n_total});
    };
    std::string path = path::join(folder, name);
    auto done = co_await download(http, hub, wanted.repo, file, path, on_bytes);
    if (!done) co_return done.error();
    n_before += file.size_bytes;
    model.files.push_back({name, file.size_bytes, file.sha256});
  }
  if (options.progress) options.progress({model.files.back().name, n_total, n_total});
  if (auto read = read_facts(model, path::join(folder, model.files.front().name)); !read)
    co_return read.error();
  co_return store.commit(std::move(model));
}

void log_egress(const Egress& egress) {
  log::debug("egress", {{"cause", "pull"},
                        {"host", egress.hosts.back()},
                        {"sent", egress.n_sent},
                        {"received", egress.n_received},
                        {"status", egress.status}});
}

Task<> pull_into(std::optional<Result<StoredModel>>& outcome, HttpClient& http, const Store& store,
                 HubModel wanted, PullOptions options) {
  outcome.emplace(co_await pull_files(http, store, std::move(wanted), std::move(options)));
}

}  // namespace

Result<StoredModel> pull_hub(const Store& store, const HubModel& model,
                             const PullOptions& options) {
  net::io_context loop(1);
  HttpClient http(loop.get_executor(), [&options](const Egress& egress) {
    log_egress(egress);
    if (options.on_egress) options.on_egress(egress);
  });
  std::optional<Result<StoredModel>> outcome;
  std::exception_ptr failure;
  net::co_spawn(loop, pull_into(outcome, http, store, model, options),
                [&](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*outcome);
}

}  // namespace hearth::models
