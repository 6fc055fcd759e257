// What a program that reads adapter files makes of one, in plain numbers for tables; parts/
// consumer_table.h computes it.
#pragma once

#include <cstdint>
#include <string>

namespace dorabooth {

// Errors are of a layer's weight, as a share of the change that the adapter makes to it; the
// largest over the layers that the program reads.
struct ReaderVerdict {
  std::string consumer;
  std::string sentence;
  bool is_right = false;
  int64_t modules = 0;
  int64_t applied = 0;           // modules that it reads
  double error = 0.0;            // at strength 1
  double error_half_peft = 0.0;  // at half strength, by PEFT's rule
  double error_half_lerp = 0.0;  // at half strength, by the interpolating rule
  std::string worst_layer;       // of `error`
};

}  // namespace dorabooth
