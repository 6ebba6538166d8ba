#!/usr/bin/env python3
"""Packs the tokenizer keys of a GGUF file for tests/data/tokenizers (needs: pip install gguf zstandard).

    pack_vocabulary.py IN.gguf OUT.vocab.zst [TEXTS.inp]

A vocabulary of 8 MB becomes 0.6 MB: merges are stored as the token they make and the place of the
cut. packed_vocabulary.h reads the result and makes the GGUF file again, key for key.

With TEXTS, of a byte-level vocabulary, only special tokens and those that occur in them are kept, in
their places, and the merges that make them: no other can be used for those texts, wherever they are cut.

Layout, before zstd: every number is a LEB128 varint, signed ones zigzag.
    n_keys, then each: name size, name, kind ('s' string, 'u' u32, 'b' bool), size and text or number
    n_tokens, then their sizes, then their texts
    n_types, then the types;  n_scores, then the scores as little-endian f32
    n_merges, then for each the signed step from the last token made, then for each the cut
"""
import struct
import sys

import gguf
import zstandard


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n * 2 if n >= 0 else -n * 2 - 1)


def sized(data):
    return varint(len(data)) + data


def strings(field):
    return [bytes(field.parts[i]) for i in field.data]


def numbers(field):
    return [field.parts[i][0].item() for i in field.data]


def letters(data):
    """GPT-2's alphabet: printable bytes are themselves, the others follow U+0100 in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    alphabet = {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}
    return "".join(alphabet[b] for b in data).encode()


def keep_used(arrays, texts):
    normal = gguf.TokenType.NORMAL
    alphabet = {letters(bytes([b])) for b in range(256)}
    used = lambda token: token in alphabet or token in texts
    arrays["merges"] = [m for m in arrays["merges"] if used(m[:1] + m[1:].replace(b" ", b"", 1))]
    types = arrays["token_type"] or [normal] * len(arrays["tokens"])
    arrays["tokens"] = [
        token if kind != normal or used(token) else b""
        for token, kind in zip(arrays["tokens"], types)
    ]


def main(source, target, texts=None):
    fields = gguf.GGUFReader(source).fields
    arrays = {"tokens": [], "token_type": [], "scores": [], "merges": []}
    keys = []
    for name, field in fields.items():
        kind = field.types[0] if field.types else None
        short = name.removeprefix("tokenizer.ggml.")
        if short in arrays and name != short:
            arrays[short] = strings(field) if short in ("tokens", "merges") else numbers(field)
        elif name == "general.architecture" or name == "general.name" or name != short:
            if kind == gguf.GGUFValueType.STRING:
                keys.append((name, b"s" + sized(bytes(field.parts[field.data[0]]))))
            elif kind == gguf.GGUFValueType.BOOL:
                keys.append((name, b"b" + varint(int(numbers(field)[0]))))
            elif kind == gguf.GGUFValueType.UINT32:
                keys.append((name, b"u" + varint(numbers(field)[0])))
            else:
                raise SystemExit(f"{name}: cannot pack {kind}")

    if texts:
        with open(texts, "rb") as file:
            keep_used(arrays, letters(file.read()))
    tokens = arrays["tokens"]
    ids = {text: i for i, text in reversed(list(enumerate(tokens)))}
    steps, cuts, last = [], [], 0
    for merge in arrays["merges"]:
        left, right = merge[:1] + merge[1:].split(b" ", 1)[0], merge[1:].split(b" ", 1)[1]
        made = ids[left + right]
        steps.append(made - last)
        cuts.append(len(left))
        last = made

    out = varint(len(keys)) + b"".join(sized(name.encode()) + value for name, value in keys)
    out += varint(len(tokens)) + b"".join(varint(len(t)) for t in tokens) + b"".join(tokens)
    out += varint(len(arrays["token_type"])) + b"".join(map(varint, arrays["token_type"]))
    out += varint(len(arrays["scores"])) + b"".join(struct.pack("<f", s) for s in arrays["scores"])
    out += varint(len(steps)) + b"".join(map(zigzag, steps)) + b"".join(map(varint, cuts))
    with open(target, "wb") as file:
        file.write(zstandard.ZstdCompressor(level=22).compress(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
