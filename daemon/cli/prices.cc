// `hearth prices`: what the built-in catalogue knows of remote models, and what another one would
// change. Needs no daemon.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "router/catalogue.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

using router::Catalogue;
using router::CatalogueEntry;

struct Options {
  std::vector<std::string> words;  // parts of provider or model
};

struct DiffOptions {
  std::string file;
};

// As --json shows an entry; USD per million tokens.
json::Object object_of(const CatalogueEntry& entry) {
  auto amounts = [](json::Object& out, const auto& of) {
    const std::pair<const char*, std::optional<double>> all[] = {
        {"input", of.input},
        {"cached", of.cached},
        {"cacheWrite", of.cache_write},
        {"cacheWriteHour", of.cache_write_1h},
        {"output", of.output},
        {"reasoning", of.reasoning}};
    for (const auto& [name, usd] : all)
      if (usd) out[name] = *usd;
  };
  json::Object object{{"provider", entry.provider}, {"model", entry.model}};
  amounts(object, entry.price);
  json::Array rules;
  for (const router::PriceRule& rule : entry.price.rules) {
    json::Object each;
    if (rule.above) each["above"] = *rule.above;
    if (rule.from_ms) each["from"] = router::moment_text(*rule.from_ms);
    if (rule.until_ms) each["until"] = router::moment_text(*rule.until_ms);
    if (rule.hours) each["hours"] = router::hours_text(*rule.hours);
    amounts(each, rule);
    rules.push_back(std::move(each));
  }
  if (!rules.empty()) object["rules"] = std::move(rules);
  object["context"] = entry.n_context;
  object["maxOutput"] = entry.n_max_output;
  object["tools"] = entry.has_tools;
  object["images"] = entry.has_images;
  object["source"] = entry.source;
  object["date"] = entry.date;
  return object;
}

std::string usd(std::optional<double> amount) { return amount ? fmt::format("{}", *amount) : "-"; }

std::string thousands(uint32_t n) {
  if (n == 0) return "?";
  return n >= 1'000'000 ? fmt::format("{:.3g}M", n / 1e6) : fmt::format("{:.0f}k", n / 1e3);
}

void print_entry(const CatalogueEntry& entry) {
  const router::Price& price = entry.price;
  fmt::print("{:<10} {:<44} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7}  {}{}\n", entry.provider,
             entry.model, usd(price.input), usd(price.cached), usd(price.cache_write),
             usd(price.output), thousands(entry.n_context), thousands(entry.n_max_output),
             entry.date, entry.source == "models.dev" ? "" : " (" + entry.source + ")");
  for (const router::PriceRule& rule : price.rules) {
    std::string when;
    if (rule.above) when += fmt::format(" over {} tokens", *rule.above);
    if (rule.from_ms) when += " from " + router::moment_text(*rule.from_ms);
    if (rule.until_ms) when += " until " + router::moment_text(*rule.until_ms);
    if (rule.hours) when += " at " + router::hours_text(*rule.hours) + " UTC";
    fmt::print("{:<10} {:<44} {:>9} {:>9} {:>9} {:>9}\n", "", " " + when, usd(rule.input),
               usd(rule.cached), usd(rule.cache_write), usd(rule.output));
  }
}

bool is_meant(const CatalogueEntry& entry, const std::vector<std::string>& words) {
  return std::ranges::all_of(words, [&](const std::string& word) {
    return entry.provider.find(word) != std::string::npos ||
           entry.model.find(word) != std::string::npos;
  });
}

int run(const Common& common, const Options& options) {
  std::vector<CatalogueEntry> found;
  for (const CatalogueEntry& entry : Catalogue::built_in().entries())
    if (is_meant(entry, options.words)) found.push_back(entry);
  if (common.json) {
    json::Array list;
    for (const CatalogueEntry& entry : found) list.push_back(object_of(entry));
    fmt::print("{}\n", boost::json::serialize(list));
    return found.empty() ? kFailed : 0;
  }
  if (found.empty())
    return fail({Errc::not_found,
                 fmt::format("no model with \"{}\" in its name; state its price in the target: "
                             "price = {{ input = USD, output = USD }}",
                             fmt::join(options.words, "\" and \""))});
  fmt::print("{}{:<10} {:<44} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7}  AS OF{}\n", dim(1), "PROVIDER",
             "MODEL (USD PER MILLION TOKENS)", "INPUT", "CACHED", "WRITE", "OUTPUT", "CONTEXT",
             "ANSWER", reset(1));
  for (const CatalogueEntry& entry : found) print_entry(entry);
  return 0;
}

bool needs_a_person(const router::PriceChange& change) {
  return change.is_silent || std::abs(change.share) > router::kLargeChange;
}

int run_diff(const Common& common, const DiffOptions& options) {
  auto text = file::read(options.file, 16u << 20);
  if (!text) return fail(text.error());
  auto other = Catalogue::parse(*text, options.file);
  if (!other) return fail(other.error());
  const std::vector<router::PriceChange> changes = router::diff(Catalogue::built_in(), *other);
  const auto n_refused = std::ranges::count_if(changes, needs_a_person);
  if (common.json) {
    json::Array list;
    for (const router::PriceChange& change : changes) {
      auto value = json::parse_value(json::encode(change));
      json::Object object = value ? value->as_object() : json::Object();
      object["refused"] = needs_a_person(change);
      list.push_back(std::move(object));
    }
    fmt::print("{}\n", boost::json::serialize(list));
    return n_refused == 0 ? 0 : kFailed;
  }
  for (const router::PriceChange& change : changes)
    fmt::print("{} {} {}: {}: {} -> {}{}{}\n", needs_a_person(change) ? "!" : " ",
               printable(change.provider), printable(change.model), printable(change.what),
               printable(change.before), printable(change.after),
               change.what == "the model" ? "" : fmt::format(" ({:+.1f} %)", 100 * change.share),
               change.is_silent ? ", and the entry's date is no newer" : "");
  if (changes.empty()) fmt::print("no differences\n");
  if (n_refused == 0) return 0;
  return fail({Errc::denied,
               fmt::format("{} of {} changes need a person's eye: more than {:.0f} %, gone, or "
                           "without a newer date",
                           n_refused, changes.size(), 100 * router::kLargeChange)});
}

}  // namespace

Command prices() {
  return command("prices", "What remote models cost, as built in", run,
                 [](Form& form, Options& options) {
                   form.option("words", options.words, "Parts of a provider's or model's name");
                   form.json();
                 })
      .anywhere();
}

Command prices_diff() {
  return command(
             "diff", "What a catalogue in a file would change; fails for what none should pass",
             run_diff,
             [](Form& form, DiffOptions& options) {
               form.option("file", options.file, "TOML as router/money/prices/*.toml").required();
               form.json();
             })
      .anywhere();
}

}  // namespace hearth::cli
