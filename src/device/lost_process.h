// Which process is gone, from what is left of it: what c10d says and what this machine knows.
// Internal to src/device.
#pragma once

#include <string>
#include <vector>

#include "src/device/process_environment.h"

namespace dorabooth {

// Names this process to the others on the same machine: boot, process namespace, number.
std::string place_of_this_process();

// The first sentence of what c10d or Gloo throws, without the place in its sources.
std::string reason_of_c10d(const std::string& thrown);

// Why processes did not meet: "process 1 has not come within 600 s (…)" where the store says which
// key, named ".../RANK", is missing.
std::string absence_text(const std::string& thrown, const ProcessEnvironment& environment);

// "process 1 of 2 was lost", "process 1 of 2 has not answered for 600 s (…)" for an exception of a
// collective call; `places` is what every process said of itself. Where several may be meant and
// none is found to be gone, "one of the other 3 processes".
std::string lost_process_text(const std::string& thrown, const ProcessEnvironment& environment,
                              const std::vector<std::string>& places);

}  // namespace dorabooth
