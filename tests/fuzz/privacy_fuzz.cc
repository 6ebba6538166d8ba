// Text of whoever, read for secrets and excerpts: it ends, and a text is always found by itself.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "privacy/reading.h"
#include "privacy/secrets.h"
#include "privacy/shingles.h"

using namespace hearth::router;

namespace {

void expect(bool is_so) {
  if (!is_so) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Secret& secret : find_secrets(text))
    expect(secret.begin <= secret.end && secret.end <= text.size());
  const std::vector<Fingerprint> kept = fingerprints_of(text);
  std::vector<ShingleIndex::Entry> entries;
  for (Fingerprint key : kept) entries.push_back({key, 3});
  const ShingleIndex index(std::move(entries));
  expect(index.owners_of(lookups_of(text)).empty() == kept.empty());
  Workspace workspace;
  workspace.files.resize(4);
  workspace.files[3] = {"file", {"label"}};
  workspace.index = index;
  const Reading reading = read_text(text, workspace, DerivedTexts());
  expect(kept.empty() || !reading.excerpts.empty());
  for (const std::string& inner : encoded_texts(text)) expect(inner.size() <= text.size());
  return 0;
}
