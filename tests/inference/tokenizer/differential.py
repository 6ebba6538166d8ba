#!/usr/bin/env python3
"""Compares Hearth's tokenizer with Hugging Face `tokenizers` on random strings.

    pip install tokenizers zstandard
    ninja -C build/release tokenizer_encode
    differential.py build/release/tests/inference/tokenizer/tokenizer_encode [-n 20000] [--golden] [FAMILY ...]

Every family of pre-tokenizers is built for the reference from the expressions that its models publish in
tokenizer.json, written out here anew, over a vocabulary of tests/data/tokenizers. --golden writes the first
cases of each family to tests/data/tokenizers/golden, where ctest repeats them without the reference.
Expressions run on Oniguruma there, where "$" and "\\b" and backtracking are real.
"""
import argparse
import pathlib
import random
import struct
import subprocess
import sys
import unicodedata

import zstandard
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

DATA = pathlib.Path(__file__).resolve().parents[2] / "data" / "tokenizers"

# --- The reference -------------------------------------------------------------------------------

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = GPT4O.replace(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
             r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
KIMI = (r"[\p{Han}]+|" + GPT4O.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]")
        .replace(r"[\r\n/]*", r"[\r\n]*"))
CJK_WIDE = "[一-龥ࠀ-一가-퟿]+"
LETTERS_DEEPSEEK = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u1f5f-\u1f7dᾀ-ᾴᾶ-\u1fbc\u1fbe\u1fc2-ῄ"
    "ῆ-ῌ\u1fd0-\u1fd3\u1fd6-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝ\u2124\u2126\u2128\u212a-\u212dℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
SPACES = "".join(r"|\s{%d}(?!\S)" % n for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"

# family: (vocabulary, expressions in order, ignore_merges)
FAMILIES = {
    "llama-bpe": ("llama-bpe", [LLAMA3], True),
    "glm4": ("qwen2", [LLAMA3], False),
    "qwen2": ("qwen2", [QWEN2], False),
    "qwen35": ("qwen2", [QWEN2.replace(r"?\p{L}+|", r"?[\p{L}\p{M}]+|").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")], False),
    "gpt-2": ("gpt-2", [GPT2], False),
    "smollm": ("starcoder", [r"\p{N}", GPT2], False),
    "starcoder": ("starcoder", [r"\p{N}", GPT2], False),
    "gpt-4o": ("qwen2", [GPT4O], False),
    "granite-embed-multi-97m": ("qwen2", [GPT4O], True),
    "tiny_aya": ("qwen2", [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O], False),
    "tekken": ("qwen2", [TEKKEN], True),
    "kimi-k2": ("qwen2", [KIMI], False),
    "deepseek-v3": ("deepseek-llm", [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3], False),
    "spark2_5": ("deepseek-llm", [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                                  DEEPSEEK3.replace(r"[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+", r"[\p{P}\p{S}]+|[\r\n]"), r"\p{N}"], False),
    "youtu": ("qwen2", ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
                        GPT4O.replace(r"\p{N}{1,3}", r"\p{N}")], True),
    "deepseek-llm": ("deepseek-llm", [r"[\r\n]", rf"\s?[{LETTERS_DEEPSEEK}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
                                      r"\s+$", CJK_WIDE, r"\p{N}+"], False),
    "deepseek-coder": ("deepseek-coder", [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK_WIDE, r"\p{N}"], False),
    "falcon": ("falcon", [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"], False),
    "seed-coder": ("qwen2", [QWEN2.replace(r" ?[^\s\p{L}\p{N}]+[\r\n]*", r" ?[^\s\p{L}\p{N}\r\n]+")], False),
    "ufakzeka": ("qwen2", [QWEN2.split("|", 7)[7]], False),
    "laguna": ("qwen2", [r"[^\n]+|[\n]+", QWEN2], False),
    "bailingmoe": ("qwen2", [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                             r"|\s*[\r\n]|\s+(?!\S)|\s+"], False),
    "exaone-moe": ("qwen2", [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                             r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"], False),
    "minicpm5": ("qwen2", [r"\p{N}{1,3}", LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}+")], True),
    "jais-2": ("qwen2", [LLAMA3.replace(r"|\s+(?!\S)|\s+", SPACES)], False),
    "afmoe": ("qwen2", [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
                        "[一-鿿㐀-䶿\uf900-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+", DEEPSEEK3], False),
    "superbpe": ("qwen2", [r"\p{N}+", r"(?=(\d{3})+(?!\d))"], False),
    "bloom": ("qwen2", [r" ?[^(\s|.,!?…。，、।۔،)]+"], False),
    "viking": ("qwen2", [r" ?[^(\s|.,!?…。，、।۔،)]+", r"\p{N}"], False),
    "chameleon": ("gpt-2", ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}",
                            r"[\p{P}!-/:-@\[-`{-~]", GPT2], False),
    "default": ("gpt-2", [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"], False),
    "llama-spm": ("llama-spm", None, False),
    "gemma4": ("gemma-4", None, False),
    "sarvam": ("gemma-4", None, False),
    "bert": ("bert-bge", None, False),
}


class Vocabulary:
    """Reads what pack_vocabulary.py wrote."""

    def __init__(self, name):
        packed = (DATA / f"{name}.vocab.zst").read_bytes()
        self.bytes, self.at = zstandard.ZstdDecompressor().decompress(packed), 0
        for _ in range(self.number()):
            self.text(self.number())
            kind = self.text(1)
            if kind == b"s":
                self.text(self.number())
            else:
                self.number()
        sizes = [self.number() for _ in range(self.number())]
        self.tokens = [self.text(size).decode("utf-8", "surrogateescape") for size in sizes]
        self.types = [self.number() for _ in range(self.number())]
        n = self.number()
        self.scores = struct.unpack(f"<{n}f", self.text(4 * n))
        steps = [self.number() for _ in range(self.number())]
        cuts = [self.number() for _ in steps]
        self.merges, made = [], 0
        for step, cut in zip(steps, cuts):
            made += step // 2 if step % 2 == 0 else -(step // 2) - 1
            token = self.tokens[made].encode("utf-8", "surrogateescape")
            self.merges.append((token[:cut].decode(), token[cut:].decode()))
        self.ids = {token: i for i, token in reversed(list(enumerate(self.tokens)))}

    def number(self):
        value = shift = 0
        while True:
            byte = self.bytes[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self, size):
        self.at += size
        return self.bytes[self.at - size:self.at]


def spm_merges(v):
    plain = {t for t, kind in zip(v.tokens, v.types) if kind in (1, 4, 5)}
    found = []
    for i, token in enumerate(v.tokens):
        if token in plain:
            for cut in range(1, len(token)):
                if token[:cut] in plain and token[cut:] in plain:
                    found.append((-v.scores[i], -cut, cut - len(token), token[:cut], token[cut:]))
    return [(left, right) for _, _, _, left, right in sorted(found)]  # as published: longest left part first


def reference(name, v):
    _, expressions, ignore_merges = FAMILIES[name]
    if name == "llama-spm":
        t = Tokenizer(models.BPE(v.ids, spm_merges(v), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif name in ("gemma4", "sarvam"):
        t = Tokenizer(models.BPE(v.ids, v.merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        t.normalizer = normalizers.Replace(" ", "▁")
    elif name == "bert":
        ids = {(t[1:] if t[0] == "▁" else "##" + t) if kind == 1 else t: i
               for i, (t, kind) in enumerate(zip(v.tokens, v.types))}
        t = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
        t.normalizer = normalizers.BertNormalizer()
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        t = Tokenizer(models.BPE(v.ids, v.merges, ignore_merges=ignore_merges))
        steps = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
        t.pre_tokenizer = pre_tokenizers.Sequence(
            steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    # Added tokens that users may write are found before all else.
    t.add_tokens([AddedToken(token, normalized=False) for token, kind in zip(v.tokens, v.types) if kind == 4])
    return t


# --- Random strings ------------------------------------------------------------------------------

WORDS = """the The HELLO world don't I'VE we'll THEY'D it's 'tis ſs 'ſ 'K naïve façade straße ΑΒΓ αβγ привет Мир ПРИВЕТ
नमस्ते हिन्दी ภาษาไทย ខ្មែរ ລາວ မြန်မာ 日本語 ひらがな カタカナ ｶﾀｶﾅ 中文 字符串 漢字 한국어 ㄱㄴ עברית العربية ǅ ǈungla ʰʲ ªº ﬁ Ａｂｃ １２３ ٣٤٥ Ⅷ ½ ²
camelCase HTMLParser snake_case _private __init__ 🦙 👩‍👩‍👧 🏳️‍🌈 😶‍🌫️ ✅ 𝔘𝔫𝔦 𝟘𝟙 𠀀 ｡ 、 。 ， ！ （ ） 「 」 … — “ ” € £ ¬ ± ∑ ─ ␀ ⺀ 〇 〻 々
def return if(x): for(;;){ } != == -> => += << >> && || /* */ // # <div> </div> <a href="x"> \\n \\t %d 0x1F 1e-9 $var @ ^ ~ ` | . .. ... ,, ;; :: -- ---
IMGIMGABCZ <sentinel:12>""".split()
SPACES_ANY = [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\n\t", "\r", "\u00a0", "\u3000", "\u2028",
              "\u0085", "\u2003", "\x0b", "\x0c", "      ", " " * 20]
MARKS = ["\u0301", "\u0308", "\u20dd", "\ufe0f", "\u200d", "\u093f", "\u0e31"]


def any_char(rng):
    while True:
        c = chr(rng.choice((rng.randrange(32, 0x300), rng.randrange(0x300, 0x3000), rng.randrange(0x3000, 0x10000),
                            rng.randrange(0x10000, 0x20000))))
        if unicodedata.category(c) not in ("Cn", "Cs", "Co"):
            return c


def fragment(rng):
    kind = rng.randrange(12)
    if kind < 4:
        return rng.choice(WORDS)
    if kind < 7:
        return rng.choice(SPACES_ANY)
    if kind == 7:
        return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 12)))
    if kind == 8:
        return rng.choice(MARKS)
    if kind == 9:
        return "".join(rng.choice("abcXYZ'. ,") for _ in range(rng.randrange(1, 10)))
    if kind == 10:
        return "".join(any_char(rng) for _ in range(rng.randrange(1, 4)))
    return rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") * rng.randrange(1, 5)


def texts(seed, n):
    rng = random.Random(seed)
    return ["".join(fragment(rng) for _ in range(rng.randrange(1, 14))) for _ in range(n)]


def known_to_bert(text):
    """Without what the reference's normalizer, of Unicode 8, takes for something else."""
    strip, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()

    def is_known(c):
        parts = [(p, unicodedata.category(p)) for p in unicodedata.normalize("NFD", c)]
        return all((strip.normalize_str(p) == "") == (kind in ("Mn", "Cf") or kind == "Cc" and p not in "\t\n\r")
                   and (kind[0] != "P" or len(split.pre_tokenize_str("a" + p)) == 2) for p, kind in parts)

    return "".join(filter(is_known, text))


# --- The comparison ------------------------------------------------------------------------------


def compare(encoder, name, n, golden, seed):
    vocabulary = FAMILIES[name][0]
    own = name in ("llama-spm", "gemma4", "bert")
    expected = reference(name, Vocabulary(vocabulary))
    cases = texts(f"{name}{seed}", n)
    if name == "bert":
        cases = [known_to_bert(t) for t in cases]
    lines = subprocess.run([encoder, vocabulary, "" if own else name], text=True, capture_output=True, check=True,
                           input="".join(t.encode().hex() + "\n" for t in cases)).stdout.splitlines()
    wrong = 0
    for text, line in zip(cases, lines, strict=True):
        ids = [int(word) for word in line.removeprefix("lossy ").split()]
        want = expected.encode(text, add_special_tokens=False).ids
        may_lose = name in ("bert", "falcon") or "▁" in text  # falcon's vocabulary lacks some bytes
        if ids == want and (may_lose or not line.startswith("lossy")):
            continue
        wrong += 1
        if wrong <= 3:
            print(f"  {name}: {text!r}\n    expected {want}\n    got      {line}")
            print("    expected", [expected.id_to_token(i) for i in want])
            print("    got     ", [expected.id_to_token(i) for i in ids])
    print(f"{name:16} {len(cases)} strings, {wrong} differ", flush=True)
    if golden and wrong == 0:
        (DATA / "golden").mkdir(exist_ok=True)
        short = [t for t in cases if len(t.encode()) < 100][:30]
        rows = [" ".join([t.encode().hex()] + [str(i) for i in expected.encode(t, add_special_tokens=False).ids])
                for t in short]
        (DATA / "golden" / f"{name}.txt").write_text("\n".join([vocabulary] + rows) + "\n")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("encoder")
    parser.add_argument("-n", type=int, default=20000)
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("--seed", default="", help="other strings; golden cases come from none")
    parser.add_argument("families", nargs="*", default=list(FAMILIES))
    args = parser.parse_intermixed_args()
    sys.exit(sum(compare(args.encoder, name, args.n, args.golden, args.seed) for name in args.families) > 0)


if __name__ == "__main__":
    main()
