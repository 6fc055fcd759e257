// The program's version, for files that say what wrote them.
#pragma once

namespace dorabooth {

const char* program_version();  // "0.1.0"

}  // namespace dorabooth
