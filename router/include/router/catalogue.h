// The price catalogue: what the known models of the known providers cost and can, as reviewed and
// built in (router/money/prices/*.toml, which name their sources). A target's own keys go over it.
//
// Immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/price.h"
#include "support/record.h"
#include "support/result.h"

namespace hearth::router {

struct CatalogueEntry {
  std::string provider;  // a row of providers/table.cc
  std::string model;     // the provider's id
  Price price;
  uint32_t n_context = 0;     // tokens; 0: not known
  uint32_t n_max_output = 0;  // tokens; 0: not known
  bool has_tools = false;
  bool has_images = false;
  std::string source;
  std::string date;  // when the source had it: "2026-07-02"
};

class Catalogue {
 public:
  // Errors name file, line and what was expected.
  static Result<Catalogue> parse(std::string_view text, const std::string& file_name);
  // Read at the first call.
  static const Catalogue& built_in();

  // Null when it is not known. A dated id ("NAME-20260102", "NAME-2026-01-02", "NAME-latest") that
  // has no entry is looked for without its date.
  const CatalogueEntry* find(std::string_view provider, std::string_view model) const;
  const std::vector<CatalogueEntry>& entries() const { return entries_; }  // by provider and model

  // Entries of `over` replace those of the same provider and model.
  void lay_over(Catalogue over);

 private:
  const CatalogueEntry* exact(std::string_view provider, std::string_view model) const;
  void sort();
  std::vector<CatalogueEntry> entries_;
};

// One amount, or an entry, that differs between two catalogues.
struct PriceChange {
  std::string provider, model;
  std::string what;  // "input", "output over 272000 tokens", "the model", ...
  std::string before, after;
  double share = 0;  // of the amount before: 0.1 is 10 % dearer
  // Nobody vouches for it: the source's date is no newer, or the entry is gone.
  bool is_silent = false;
  static void fields(auto& self, auto&& field) {
    field("provider", self.provider);
    field("model", self.model);
    field("what", self.what);
    field("before", self.before);
    field("after", self.after);
    field("share", self.share);
    field("silent", self.is_silent);
  }
};

// In the order of providers and models. New entries are changes too, never silent ones.
std::vector<PriceChange> diff(const Catalogue& before, const Catalogue& after);

// A price that moved by more than this is to be looked at by a person.
inline constexpr double kLargeChange = 0.10;

}  // namespace hearth::router
