// The built-in prices are whole, targets take them, and no change of theirs passes unseen.
#include "router/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/policy_file.h"
#include "router/providers.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Catalogue parsed(std::string_view text) {
  auto catalogue = Catalogue::parse(text, "prices.toml");
  EXPECT_TRUE(catalogue) << (catalogue ? "" : catalogue.error().message);
  return catalogue ? *catalogue : Catalogue();
}

std::string entry(std::string_view id, std::string_view amounts,
                  std::string_view date = "2026-07-02") {
  return "[[model]]\nprovider = 'openai'\nid = '" + std::string(id) + "'\n" + std::string(amounts) +
         "\nsource = 'here'\ndate = '" + std::string(date) + "'\n";
}

TEST(BuiltInPrices, AreWholeAndNameTheirSource) {
  const Catalogue& catalogue = Catalogue::built_in();
  EXPECT_GT(catalogue.entries().size(), 200u);
  for (const CatalogueEntry& each : catalogue.entries()) {
    SCOPED_TRACE(each.provider + " " + each.model);
    EXPECT_FALSE(each.source.empty());
    EXPECT_TRUE(parse_moment(each.date));
    EXPECT_EQ(check_price(each.price), std::nullopt);
    EXPECT_LE(each.price.cached, each.price.input);
    EXPECT_TRUE(each.n_max_output == 0 || each.n_max_output <= each.n_context);
    EXPECT_TRUE(each.provider == "gemini" || !provider_address(each.provider).empty());
  }
}

TEST(BuiltInPrices, AreThoseOfThePricePages) {
  const Catalogue& catalogue = Catalogue::built_in();
  const CatalogueEntry* sonnet = catalogue.find("anthropic", "claude-sonnet-5");
  ASSERT_TRUE(sonnet);
  EXPECT_EQ(sonnet->price, (Price{2, 0.2, 10, 2.5, 4}));
  EXPECT_EQ(sonnet->n_context, 1'000'000u);
  const CatalogueEntry* gpt = catalogue.find("openai", "gpt-5.5");
  ASSERT_TRUE(gpt);
  EXPECT_EQ(rates_at(gpt->price, 272'000, 0).output.pico(), 30'000'000);
  EXPECT_EQ(rates_at(gpt->price, 272'001, 0).output.pico(), 45'000'000);
  const CatalogueEntry* flash = catalogue.find("gemini", "gemini-3.8-flash");
  ASSERT_TRUE(flash);
  EXPECT_EQ(rates_at(flash->price, 1, *parse_moment("2026-12-31T23:59")).input.pico(), 750'000);
  EXPECT_EQ(rates_at(flash->price, 1, *parse_moment("2027-01-01")).input.pico(), 1'500'000);
}

TEST(Catalogue, KnowsADatedIdByItsName) {
  const Catalogue& catalogue = Catalogue::built_in();
  for (const char* id : {"claude-sonnet-5-20260630", "claude-sonnet-5-latest"})
    EXPECT_TRUE(catalogue.find("anthropic", id)) << id;
  EXPECT_TRUE(catalogue.find("openai", "gpt-5.5-2026-04-23"));
  for (const char* id : {"claude-sonnet-5-fast", "claude-sonnet", "claude-sonnet-5-10000000", ""})
    EXPECT_FALSE(catalogue.find("anthropic", id)) << id;
  EXPECT_FALSE(catalogue.find("acme", "claude-sonnet-5"));
}

TEST(Catalogue, AFileMustBeWhole) {
  const std::pair<std::string, const char*> wrong[] = {
      {entry("a", "input = 1"), "output"},
      {entry("a", "output = 1"), "input"},
      {entry("a", "input = -1\noutput = 1"), "input"},
      {entry("a", "input = 0.0000001\noutput = 1"), "six decimals"},
      {entry("a", "input = 1\noutput = 1\nimput = 2"), "imput"},
      {entry("a", "input = 1\noutput = 1", "soon"), "date"},
      {entry("a", "input = 1\noutput = 1") + entry("a", "input = 1\noutput = 1"), "twice"},
      {"[[model]\n", "prices.toml:1"}};
  for (const auto& [text, named] : wrong) {
    auto catalogue = Catalogue::parse(text, "prices.toml");
    ASSERT_FALSE(catalogue) << text;
    EXPECT_THAT(catalogue.error().message, HasSubstr(named));
  }
}

TEST(CatalogueDiff, IsEmptyBetweenEquals) {
  EXPECT_THAT(diff(Catalogue::built_in(), Catalogue::built_in()), IsEmpty());
}

TEST(CatalogueDiff, NamesEveryAmountAndWhetherSomebodyVouchesForIt) {
  const Catalogue before =
      parsed(entry("a", "input = 1\noutput = 10") + entry("b", "input = 1\noutput = 1"));
  const Catalogue after = parsed(entry("a", "input = 1.2\noutput = 10", "2026-08-01") +
                                 entry("c", "input = 1\noutput = 1"));
  const auto changes = diff(before, after);
  ASSERT_THAT(changes, SizeIs(4));
  EXPECT_EQ(changes[0].what, "input");
  EXPECT_NEAR(changes[0].share, 0.2, 1e-12);
  EXPECT_FALSE(changes[0].is_silent) << "its source is newer";
  EXPECT_EQ(changes[1].what, "cached") << "it follows the input";
  EXPECT_EQ(changes[2].model, "b");
  EXPECT_TRUE(changes[2].is_silent) << "gone";
  EXPECT_EQ(changes[3].model, "c");
  EXPECT_FALSE(changes[3].is_silent);
  const auto silent = diff(
      before, parsed(entry("a", "input = 1\noutput = 10.5") + entry("b", "input = 1\noutput = 1")));
  ASSERT_THAT(silent, SizeIs(1));
  EXPECT_TRUE(silent[0].is_silent);
}

TEST(Targets, TakeWhatTheCatalogueKnows) {
  auto policy = parse_policy(
      "[target.sonnet]\nkind = 'api:anthropic'\nmodel = 'claude-sonnet-5'\n"
      "[target.own]\nkind = 'api:anthropic'\nmodel = 'claude-sonnet-5'\n"
      "price = { input = 1, output = 2 }\ncontext = 5\nimages = false\n",
      "p");
  ASSERT_TRUE(policy) << policy.error().message;
  const Target& taken = policy->targets[0];
  EXPECT_EQ(taken.price, (Price{2, 0.2, 10, 2.5, 4}));
  EXPECT_EQ(taken.n_context, 1'000'000u);
  EXPECT_EQ(taken.n_max_output, 128'000u);
  EXPECT_TRUE(taken.has_images);
  const Target& own = policy->targets[1];
  EXPECT_EQ(own.price, (Price{1, 1, 2}));
  EXPECT_EQ(own.n_context, 5u);
  EXPECT_FALSE(own.has_images);
}

TEST(Targets, OfUnknownModelsNeedAPrice) {
  auto policy = parse_policy("[target.x]\nkind = 'api:openai'\nmodel = 'gpt-99'\n", "p");
  ASSERT_FALSE(policy);
  EXPECT_THAT(policy.error().message, HasSubstr("hearth prices"));
  EXPECT_THAT(policy.error().message, HasSubstr("gpt-99"));
}

TEST(PolicyFile, PricesWithRulesAndBudgetsReadAsTheyPrint) {
  auto policy = parse_policy(R"(
[target.x]
kind = 'api:openai'
model = 'm'
price = { input = 1, cached = 0.1, output = 4, cache_write = 1.25, cache_write_1h = 2, reasoning = 5, rules = [
  { above = 272000, input = 2 }, { from = "2026-08-01", until = "2027-01-01T12:30", output = 3 },
  { hours = "16:30-00:30", input = 0.5 } ] }
[budget.day]
usd = 0.5
[budget."project:web-shop"]
usd = 3.0
per = "day"
hard = false
[budget.session]
usd = 1
)",
                             "p");
  ASSERT_TRUE(policy) << policy.error().message;
  ASSERT_THAT(policy->budgets, SizeIs(3));
  EXPECT_EQ(policy->budgets[0].per, Per::day);
  EXPECT_TRUE(policy->budgets[0].is_hard);
  EXPECT_EQ(policy->budgets[1].scope, "project:web-shop");
  EXPECT_EQ(policy->budgets[1].per, Per::day);
  EXPECT_FALSE(policy->budgets[1].is_hard);
  EXPECT_EQ(policy->budgets[2].per, Per::ever);
  const Price& price = *policy->targets[0].price;
  ASSERT_THAT(price.rules, SizeIs(3));
  const std::string printed = print_policy(*policy);
  auto again = parse_policy(printed, "printed");
  ASSERT_TRUE(again) << again.error().message << printed;
  EXPECT_EQ(print_policy(*again), printed);
  EXPECT_EQ(*again->targets[0].price, price);
}

TEST(PolicyFile, MistakesInBudgetsAndRulesAreNamed) {
  const std::string target = "[target.x]\nkind = 'api:openai'\nmodel = 'm'\n";
  const std::pair<std::string, const char*> wrong[] = {
      {"[budget.days]\nusd = 1\n", "budget.days"},
      {"[budget.day]\nhard = true\n", "budget.day.usd"},
      {"[budget.day]\nusd = -1\n", "budget.day.usd"},
      {"[budget.day]\nusd = 1\nper = 'week'\n", "budget.day.per"},
      {"[budget.\"class:poem\"]\nusd = 1\n", "class:poem"},
      {target + "price = { input = 0.0000001, output = 1 }\n", "six decimals"},
      {target + "price = { input = 1, output = 1, rules = [ { from = 'soon' } ] }\n", "2027-01-31"},
      {target + "price = { input = 1, output = 1, rules = [ 1 ] }\n", "tables"}};
  for (const auto& [text, named] : wrong) {
    auto policy = parse_policy(text, "p");
    ASSERT_FALSE(policy) << text;
    EXPECT_THAT(policy.error().message, HasSubstr(named));
  }
}

}  // namespace
}  // namespace hearth::router
