// The layout in which products read quantized weights: strips of `rows` rows whose blocks are
// interleaved, so that a vector holds four consecutive elements of each row and a dot product needs
// no sum across lanes. A strip takes about as many bytes as its rows do in the file.
//
// A block of a strip of R rows; "words" of a field are its bytes in fours, each for all rows in
// turn: [bytes / 4][R][4].
//   of 32 elements    d [R] f16, m [R] f16 where the format has it, fifth bits [R][4] where it has
//                     them (bit g of byte j: element 4 g + j), words of the quants.
//                     MXFP4: e [R] bytes instead of d.
//   Q4_K, Q5_K        d [R] f16, dmin [R] f16, scales [8][R] bytes, mins [4][R][2] bytes, words of
//   the
//                     fifth bits where the format has them, words of the quants
//   Q6_K              d [R] f16, scales [16][R] bytes, words of the low, words of the high bits
#pragma once

#include <cstddef>
#include <cstdint>

#include "gguf/types.h"

namespace hearth::cpu {

// Bytes of a strip of so many rows of k elements, which may be 1: then it is a row of the file.
size_t strip_bytes(gguf::Type type, size_t rows, size_t k);

}  // namespace hearth::cpu
