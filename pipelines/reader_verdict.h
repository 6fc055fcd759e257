// What a program that reads adapter files makes of one, in plain numbers for tables; parts/
// consumer_table.h computes it.
#pragma once

#include <cstdint>
#include <string>

namespace dorabooth {

// Errors are of a layer's weight, as a share of the change that the adapter makes to it (or of the
// least that counts, where it hardly changes it); the largest over the layers that are shown.
struct ReaderVerdict {
  std::string consumer;
  std::string sentence;
  bool is_right = false;  // all of it is read, shown and right
  int64_t modules = 0;
  int64_t applied = 0;           // modules that it reads, as far as is shown
  double error = 0.0;            // at strength 1
  double error_half_peft = 0.0;  // at half strength, by PEFT's rule
  double error_half_lerp = 0.0;  // at half strength, by the interpolating rule
  std::string worst_layer;       // of `error`
  int64_t not_shown = 0;         // modules of which it is not known what it makes
  bool is_wrong = false;         // a part is not read, or is off
};

}  // namespace dorabooth
