#include "pretokenizer_table.h"

#include "digit_groups.h"

namespace hearth::tokenizer {

namespace {

using std::string;

// What most expressions are made of.
const string kContraction = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))";
const string kWord = R"([^\r\n\p{L}\p{N}]?\p{L}+)";
const string kMarkedWord = R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)";
const string kSymbolRun = R"( ?[^\s\p{L}\p{N}]+[\r\n]*)";
const string kSymbolRunSlash = R"( ?[^\s\p{L}\p{N}]+[\r\n/]*)";
const string kSpace = R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
const string kAsciiWord = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)";

const string kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";
const string kLlama3 = kContraction + "|" + kWord + R"(|\p{N}{1,3}|)" + kSymbolRun + "|" + kSpace;
const string kQwen2 = kContraction + "|" + kWord + R"(|\p{N}|)" + kSymbolRun + "|" + kSpace;
const string kDeepseek3 = kAsciiWord + "|" + kMarkedWord + R"(| ?[\p{P}\p{S}]+[\r\n]*|)" + kSpace;
const string kCjk = R"([一-龥぀-ゟ゠-ヿ]+)";
const string kLines = R"([^\n]+|[\n]+)";

// A word that ends lower-case, else one that begins upper-case; `minus` takes a script out of the
// letters, `suffix` may follow.
string cased_words(const string& minus, const string& suffix) {
  const string lead = R"([^\r\n\p{L}\p{N}]?)";
  const string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M})" + minus + "]";
  const string lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M})" + minus + "]";
  return lead + upper + "*" + lower + "+" + suffix + "|" + lead + upper + "+" + lower + "*" +
         suffix;
}
const string kGpt4o =
    cased_words("", kContraction + "?") + R"(|\p{N}{1,3}|)" + kSymbolRunSlash + "|" + kSpace;

std::vector<PretokenizerRow> make_rows() {
  return {
      {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
       .steps = {kLlama3},
       .ignore_merges = true,
       .adds_bos = true},
      {.names = "dbrx smaug-bpe glm4 chatglm-bpe", .steps = {kLlama3}},
      {.names = "qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez solar-open grok-2 kormo f2llmv2",
       .steps = {kQwen2}},
      {.names = "qwen35",
       .steps = {kContraction +
                 R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" +
                 kSpace}},
      {.names =
           "gpt-2 mpt olmo phi-2 jais trillion mellum granite-docling exaone4 gigachat a.x-4.0 "
           "modern-bert roberta-bpe jina-es jina-de jina-v1-en jina-v2-es jina-v2-de "
           "jina-v2-code",
       .steps = {kGpt2}},
      {.names = "starcoder refact command-r smollm codeshell exaone minerva minerva-7b mellum2",
       .steps = {R"(\p{N})", kGpt2}},
      {.names = "gpt-4o llama4 minimax-m2 kanana2 talkie", .steps = {kGpt4o}},
      {.names = "granite-embed-multi-97m", .steps = {kGpt4o}, .ignore_merges = true},
      {.names = "tiny_aya cohere2moe", .steps = {&cut_digit_groups_of_words, kGpt4o}},
      {.names = "tekken",
       .steps = {cased_words("", "") + R"(|\p{N}|)" + kSymbolRunSlash + "|" + kSpace},
       .ignore_merges = true,
       .adds_bos = true},
      {.names = "kimi-k2",
       .steps = {R"([\p{Han}]+|)" + cased_words(R"(&&[^\p{Han}])", kContraction + "?") +
                 R"(|\p{N}{1,3}|)" + kSymbolRun + "|" + kSpace}},
      {.names = "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
       .steps = {R"(\p{N}{1,3})", kCjk, kDeepseek3}},
      {.names = "spark2_5",
       .steps = {R"(\p{N}{1,3})", kCjk,
                 kAsciiWord + "|" + kMarkedWord + R"(| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)",
                 R"(\p{N})"}},
      {.names = "youtu",
       .steps = {R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|)" + kCjk,
                 cased_words("", kContraction + "?") + R"(|\p{N}|)" + kSymbolRunSlash + "|" +
                     kSpace},
       .ignore_merges = true},
      {.names = "deepseek-llm",
       .steps =
           {R"([\r\n])",
            // Escaped: letters that a normalising editor would write as others.
            R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ)"
            R"(Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ)"
            "\u1f5f-\u1f7d"
            R"(ᾀ-ᾴᾶ-)"
            "\u1fbc\u1fbe\u1fc2"
            R"(-ῄῆ-ῌ)"
            "\u1fd0-\u1fd3\u1fd6-\u1fdb"
            R"(ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝ)"
            "\u2124\u2126\u2128\u212a-\u212d"
            R"(ℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻ)"
            R"(Ȿ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)",
            R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", &cut_trailing_space, R"([一-龥ࠀ-一가-퟿]+)",
            R"(\p{N}+)"}},
      {.names = "deepseek-coder",
       .steps = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([一-龥ࠀ-一가-퟿]+)",
                 R"(\p{N})"}},
      {.names = "falcon", .steps = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, R"([0-9][0-9][0-9])"}},
      {.names = "seed-coder",
       .steps = {kContraction + "|" + kWord + R"(|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|)" + kSpace}},
      {.names = "ufakzeka", .steps = {kWord + R"(|\p{N}|)" + kSymbolRun + "|" + kSpace}},
      {.names = "laguna", .steps = {kLines, kQwen2}},
      {.names = "bailingmoe bailingmoe2 llada-moe",
       .steps = {R"((?i:'s|'d|'m|'t|'ll|'ve|'re)|)" + kWord + R"(|\p{N}|)" + kSymbolRun +
                 R"(|\s*[\r\n]|\s+(?!\S)|\s+)"}},
      {.names = "exaone-moe",
       .steps = {kContraction + R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|)"
                                R"( ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"}},
      {.names = "minicpm5",
       .steps = {R"(\p{N}{1,3})",
                 kContraction + "|" + kWord + R"(|\p{N}+|)" + kSymbolRun + "|" + kSpace},
       .ignore_merges = true},
      {.names = "jais-2",
       .steps = {kContraction + "|" + kWord + R"(|\p{N}{1,3}|)" + kSymbolRun +
                 R"(|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|)"
                 R"(\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"}},
      {.names = "afmoe",
       .steps =
           {&cut_digit_groups,
            R"([一-鿿㐀-䶿)"
            "\uf900"
            R"(-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+)",
            kDeepseek3}},
      {.names = "superbpe", .steps = {R"(\p{N}+)", &cut_digit_groups}},
      {.names = "bloom poro-chat gpt3-finnish", .steps = {R"( ?[^(\s|.,!?…。，、।۔،)]+)"}},
      {.names = "viking", .steps = {R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"}},
      {.names = "chameleon",
       .steps = {R"(<sentinel:[0-9]+>)", R"(IMGIMG[A-I]{1,4}Z)", R"([\t\n]|    |  )", R"(\p{N})",
                 R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
       .adds_bos = true},
      {.names = "gemma4 granite-embed-multi-311m",
       .steps = {kLines},
       .is_byte_level = false,
       .always_adds_bos = true},
      {.names = "sarvam sarvam-moe", .steps = {kLines}, .is_byte_level = false},
      {.names = "default",
       .steps = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", R"([0-9][0-9][0-9])"}},
  };
}

bool lists(std::string_view names, std::string_view name) {
  for (size_t at = 0; (at = names.find(name, at)) != names.npos; ++at) {
    const bool starts = at == 0 || names[at - 1] == ' ';
    const size_t end = at + name.size();
    if (starts && (end == names.size() || names[end] == ' ')) return true;
  }
  return false;
}

}  // namespace

std::span<const PretokenizerRow> pretokenizer_rows() {
  static const std::vector<PretokenizerRow> rows = make_rows();
  return rows;
}

const PretokenizerRow* find_pretokenizer(std::string_view name) {
  if (name.empty() || name.find(' ') != name.npos) return nullptr;
  for (const PretokenizerRow& row : pretokenizer_rows())
    if (lists(row.names, name)) return &row;
  return nullptr;
}

}  // namespace hearth::tokenizer
