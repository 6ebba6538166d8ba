#!/usr/bin/env python3
"""Writes golden.gguf: block formats as the `gguf` package (PyPI, MIT; no part of Hearth) reads and
writes them. For each type T of random blocks there are the tensors

    T         the blocks
    T.float   what gguf.quants makes of them

and, where that package also quantizes, for rows of chosen and random floats

    input     the floats
    input.T   the blocks made of them

Run with: pip install gguf==0.19.0; python3 make_golden.py
"""
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

DEQUANTIZED = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K,
               Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL, Type.IQ4_XS, Type.MXFP4, Type.NVFP4,
               Type.F16, Type.BF16]
QUANTIZED = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.F16, Type.BF16]

# Byte offsets of the f16 fields of a block; the other bytes may be anything.
HALVES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
          Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2],
          Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0]}

random = np.random.default_rng(20261122)


def finite_halves(n):
    """Any f16 but infinities and NaN; subnormals and negative ones too."""
    bits = random.integers(0, 1 << 16, n, dtype=np.uint16)
    bits[bits & 0x7C00 == 0x7C00] ^= 0x4000
    return bits


def random_blocks(kind, n_elements):
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    n = n_elements // block_size
    if kind == Type.F16:
        return finite_halves(n).view(np.uint8).reshape(1, -1)
    blocks = random.integers(0, 256, (n, block_bytes), dtype=np.uint8)
    if kind == Type.BF16:
        blocks[:, 1] &= 0xBF  # exponent below the one of infinity
    for offset in HALVES.get(kind, []):
        blocks[:, offset:offset + 2] = finite_halves(n).view(np.uint8).reshape(n, 2)
    return blocks.reshape(1, -1)


def dequantize(blocks, kind):
    if kind == Type.F16:
        return blocks.view(np.float16).astype(np.float32)
    return quants.dequantize(blocks, kind)


def input_rows():
    rows = [random.standard_normal(256) * scale for scale in (1e-6, 0.02, 1, 300)]
    rows.append(np.zeros(256))
    rows.append(np.full(256, -0.75))
    rows.append(np.arange(256) / 16 - 8)             # exact ties between levels
    rows.append(np.where(np.arange(256) % 32 == 5, 1e4, 1e-3))  # one outlier in each block
    rows.append(random.standard_normal(256) * np.exp(random.uniform(-12, 12, 256)))
    return np.array(rows, dtype=np.float32)


def main():
    writer = gguf.GGUFWriter(pathlib.Path(__file__).with_name("golden.gguf"), "golden")
    with np.errstate(over="ignore", invalid="ignore"):
        for kind in DEQUANTIZED:
            blocks = random_blocks(kind, 1024)
            name = kind.name.lower()
            writer.add_tensor(name, blocks if kind != Type.F16 else blocks.view(np.float16),
                              raw_dtype=kind)
            writer.add_tensor(name + ".float", dequantize(blocks, kind).astype(np.float32))
        rows = input_rows()
        writer.add_tensor("input", rows)
        for kind in QUANTIZED:
            writer.add_tensor(f"input.{kind.name.lower()}", quants.quantize(rows, kind),
                              raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
