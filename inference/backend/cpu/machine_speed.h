// What this machine can do at best, measured: the yardstick beside which speeds are printed.
#pragma once

#include "backend/cpu/ops.h"

namespace hearth::cpu {

struct MachineSpeed {
  double read_bytes_per_s = 0;  // of memory, all threads reading, beyond the caches
  // Multiply-adds times two, in registers, all threads, by the instructions of the path's products.
  double int8_ops_per_s = 0;
  double f32_ops_per_s = 0;
};

// Takes about half a second and 256 MiB for as long.
MachineSpeed measure_speed(const Machine& machine);

}  // namespace hearth::cpu
