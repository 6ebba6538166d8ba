#include "router/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "money/price_keys.h"
#include "settings/section.h"
#include "support/log.h"

namespace hearth::router {

// price_texts.cc, made from prices/*.toml by CMake.
extern const char* const kModelsDevPrices;
extern const char* const kPricesByHand;

namespace {

using settings::Section;

template <class Key>
void entry_keys(auto& entry, Key& key) {
  key("provider", entry.provider);
  key("id", entry.model);
  price_keys(entry.price, key);
  key("context", entry.n_context, 0, 1 << 24);
  key("max_output", entry.n_max_output, 0, 1 << 24);
  key("tools", entry.has_tools);
  key("images", entry.has_images);
  key("source", entry.source);
  key("date", entry.date);
}

CatalogueEntry read_entry(Section section) {
  CatalogueEntry entry;
  entry_keys(entry, section);
  for (std::string_view key : {"provider", "id", "input", "output", "source"})
    if (!section.has(key)) section.refuse(key, "to be there");
  if (!section.has("cached")) entry.price.cached = entry.price.input;
  if (!parse_moment(entry.date)) section.refuse("date", "a day such as \"2026-07-02\"");
  if (auto amount = check_price(entry.price)) section.refuse(*amount, "at most six decimals");
  section.finish();
  return entry;
}

auto place_of(const CatalogueEntry& entry) { return std::tie(entry.provider, entry.model); }

bool is_date(std::string_view text) {
  if (text == "latest") return true;
  if (text.size() != 8 && text.size() != 10) return false;
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '-'; }) &&
         text.starts_with("20");
}

// "name-2026-01-02" -> "name".
std::string_view without_date(std::string_view model) {
  for (size_t n : {11, 9, 7})
    if (model.size() > n && model[model.size() - n] == '-' &&
        is_date(model.substr(model.size() - n + 1)))
      return model.substr(0, model.size() - n);
  return model;
}

struct Amount {
  std::string what;
  double usd;
};

std::string circumstances(const PriceRule& rule) {
  std::string text;
  if (rule.above) text += fmt::format(" over {} tokens", *rule.above);
  if (rule.from_ms) text += fmt::format(" from {}", moment_text(*rule.from_ms));
  if (rule.until_ms) text += fmt::format(" until {}", moment_text(*rule.until_ms));
  if (rule.hours) text += fmt::format(" at {}", hours_text(*rule.hours));
  return text;
}

std::vector<Amount> amounts_of(const Price& price) {
  std::vector<Amount> amounts;
  auto add = [&](const std::string& where, const auto& of) {
    const std::pair<const char*, std::optional<double>> all[] = {
        {"input", of.input},
        {"cached", of.cached},
        {"cache_write", of.cache_write},
        {"cache_write_1h", of.cache_write_1h},
        {"output", of.output},
        {"reasoning", of.reasoning}};
    for (const auto& [name, usd] : all)
      if (usd) amounts.push_back({name + where, *usd});
  };
  add("", price);
  for (const PriceRule& rule : price.rules) add(circumstances(rule), rule);
  return amounts;
}

std::string usd_text(const std::optional<double>& usd) {
  return usd ? fmt::format("{}", *usd) : "-";
}

void compare(const CatalogueEntry& before, const CatalogueEntry& after,
             std::vector<PriceChange>& out) {
  const std::vector<Amount> old = amounts_of(before.price), now = amounts_of(after.price);
  auto amount_in = [](const std::vector<Amount>& amounts, const std::string& what) {
    auto found = std::ranges::find(amounts, what, &Amount::what);
    return found == amounts.end() ? std::nullopt : std::optional(found->usd);
  };
  auto add = [&](const std::string& what) {
    const auto was = amount_in(old, what), is = amount_in(now, what);
    if (was == is) return;
    PriceChange& change = out.emplace_back();
    change.provider = after.provider;
    change.model = after.model;
    change.what = what;
    change.before = usd_text(was);
    change.after = usd_text(is);
    change.share = !was || !is || *was == 0 ? 1 : *is / *was - 1;
    change.is_silent = after.date <= before.date;
  };
  for (const Amount& amount : old) add(amount.what);
  for (const Amount& amount : now)
    if (!amount_in(old, amount.what)) add(amount.what);
}

}  // namespace

Result<Catalogue> Catalogue::parse(std::string_view text, const std::string& file_name) {
  toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed)
    return Error{Errc::invalid,
                 fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                             parsed.error().description())};
  settings::Fault fault{file_name, std::nullopt};
  Section root(parsed.table(), "", fault);
  Catalogue catalogue;
  if (const toml::array* models = root.array("model"))
    for (const toml::node& node : *models) {
      if (node.is_table())
        catalogue.entries_.push_back(read_entry(Section(*node.as_table(), "model", fault)));
      else
        fault.fail(node, "model", "tables: [[model]]");
    }
  root.finish();
  if (fault.error) return *fault.error;
  catalogue.sort();
  for (size_t i = 1; i < catalogue.entries_.size(); ++i)
    if (place_of(catalogue.entries_[i - 1]) == place_of(catalogue.entries_[i]))
      return Error{Errc::invalid,
                   fmt::format("{}: {} of {} is there twice", file_name,
                               catalogue.entries_[i].model, catalogue.entries_[i].provider)};
  return catalogue;
}

const Catalogue& Catalogue::built_in() {
  static const Catalogue catalogue = [] {
    auto base = parse(kModelsDevPrices, "models_dev.toml");
    auto over = parse(kPricesByHand, "by_hand.toml");
    // Our own files, which a test reads: only a broken build comes here.
    for (const auto* part : {&base, &over})
      if (!*part) log::error("built-in prices", {{"error", part->error().message}});
    Catalogue whole = base ? std::move(*base) : Catalogue();
    if (over) whole.lay_over(std::move(*over));
    return whole;
  }();
  return catalogue;
}

const CatalogueEntry* Catalogue::exact(std::string_view provider, std::string_view model) const {
  const std::pair wanted(provider, model);
  auto found = std::ranges::lower_bound(entries_, wanted, {}, [](const CatalogueEntry& entry) {
    return std::pair<std::string_view, std::string_view>(entry.provider, entry.model);
  });
  if (found == entries_.end() || found->provider != provider || found->model != model)
    return nullptr;
  return &*found;
}

const CatalogueEntry* Catalogue::find(std::string_view provider, std::string_view model) const {
  if (const CatalogueEntry* entry = exact(provider, model)) return entry;
  const std::string_view name = without_date(model);
  return name == model ? nullptr : exact(provider, name);
}

void Catalogue::lay_over(Catalogue over) {
  std::erase_if(entries_, [&](const CatalogueEntry& entry) {
    return over.exact(entry.provider, entry.model) != nullptr;
  });
  std::ranges::move(over.entries_, std::back_inserter(entries_));
  sort();
}

void Catalogue::sort() {
  std::ranges::sort(entries_, [](const CatalogueEntry& a, const CatalogueEntry& b) {
    return place_of(a) < place_of(b);
  });
}

std::vector<PriceChange> diff(const Catalogue& before, const Catalogue& after) {
  std::vector<PriceChange> changes;
  auto whole = [&](const CatalogueEntry& entry, std::string was, std::string is, bool is_silent) {
    PriceChange& change = changes.emplace_back();
    change.provider = entry.provider;
    change.model = entry.model;
    change.what = "the model";
    change.before = std::move(was);
    change.after = std::move(is);
    change.share = is_silent ? -1 : 0;
    change.is_silent = is_silent;
  };
  auto old = before.entries().begin();
  auto now = after.entries().begin();
  while (old != before.entries().end() || now != after.entries().end()) {
    const bool is_gone = now == after.entries().end() ||
                         (old != before.entries().end() && place_of(*old) < place_of(*now));
    const bool is_new =
        !is_gone && (old == before.entries().end() || place_of(*now) < place_of(*old));
    if (is_gone)
      whole(*old++, "there", "gone", true);
    else if (is_new)
      whole(*now++, "not there", "new", false);
    else
      compare(*old++, *now++, changes);
  }
  return changes;
}

}  // namespace hearth::router
