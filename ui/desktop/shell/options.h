// The desktop program's flags.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

struct DesktopOptions {
  std::string project;  // "": the auto-saved one
  std::optional<double> scale;
  std::optional<int> width;
  std::optional<int> height;
  bool help = false;
};

extern const char* const kDesktopUsage;

// Throws UsageError for an unknown flag or a wrong value.
DesktopOptions read_desktop_options(const std::vector<std::string>& arguments);

}  // namespace dorabooth
