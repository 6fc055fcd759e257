// libFuzzer's entry points. DORABOOTH_FUZZ_TARGET in the environment names the target.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/targets.h"

namespace {

const dorabooth::testing::FuzzTarget* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("DORABOOTH_FUZZ_TARGET");
  for (const auto& target : dorabooth::testing::fuzz_targets()) {
    if (name && std::strcmp(name, target.name) == 0) chosen = &target;
  }
  if (!chosen) {
    std::fprintf(stderr, "DORABOOTH_FUZZ_TARGET names none of the targets\n");
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chosen->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
