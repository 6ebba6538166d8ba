// Writes the seed corpus of the fuzz target from the hostile files: gguf_write_corpus FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "inference/gguf/hostile_files.h"

namespace {

// Files of a family differ in a number that a fuzzer finds by itself: the first is enough. Long
// files teach it nothing.
class Selection {
 public:
  bool takes(const hearth::testing::HostileFile& file) {
    for (const char* family : {"Alignment", "ArrayI32", "ArrayString", "ArrayU", "Dims", "KeyCount",
                               "Offset", "TensorCount", "Type", "Version"})
      if (file.name.starts_with(family) && !seen_.insert(family).second) return false;
    return file.bytes.size() < 8192;
  }

 private:
  std::set<std::string> seen_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: gguf_write_corpus FOLDER\n"), 2;
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  write("TinyModel", hearth::testing::tiny_model());
  Selection selection;
  for (const auto& file : hearth::testing::hostile_files())
    if (selection.takes(file)) write(file.name, file.bytes);
  return 0;
}
