// The number of CMake's project().
#include "pipelines/version.h"

namespace dorabooth {

const char* program_version() { return DORABOOTH_VERSION; }

}  // namespace dorabooth
