// The readers of what others wrote, each on any bytes: they return, or throw an Error of one
// sentence. Anything else is a fault. Torch-free. Run by libFuzzer (scripts/fuzz.sh) and, over the
// kept corpus, by the tests.
#pragma once

#include <string_view>
#include <vector>

namespace dorabooth::testing {

struct FuzzTarget {
  const char* name;  // of its folder in tests/fuzz/corpus
  void (*run)(std::string_view bytes);
};

const std::vector<FuzzTarget>& fuzz_targets();

}  // namespace dorabooth::testing
