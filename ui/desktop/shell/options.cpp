#include "ui/desktop/shell/options.h"

#include <cstdio>

#include "src/base/error.h"

namespace dorabooth {

const char* const kDesktopUsage =
    "usage: dorabooth gui [--project FILE] [--scale X] [--size WxH]\n\n"
    "Opens the desktop program. Without --project it goes on where it was left.\n\n"
    "  --project FILE  the project file to open, or to begin\n"
    "  --scale X       size of text and widgets, 0.5 to 4; absent: the screen's own\n"
    "  --size WxH      size of the window, such as 1280x720\n";

namespace {

void read_scale(DesktopOptions& options, const std::string& text) {
  double scale = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lf%c", &scale, &rest) != 1 || !(scale >= 0.5 && scale <= 4))
    throw UsageError(concat("--scale: want a number between 0.5 and 4, got '", text, "'"));
  options.scale = scale;
}

void read_size(DesktopOptions& options, const std::string& text) {
  int width = 0;
  int height = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%dx%d%c", &width, &height, &rest) != 2 || width < 320 ||
      height < 240 || width > 16384 || height > 16384)
    throw UsageError(concat("--size: want WxH such as 1280x720, got '", text, "'"));
  options.width = width;
  options.height = height;
}

}  // namespace

DesktopOptions read_desktop_options(const std::vector<std::string>& arguments) {
  DesktopOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      options.help = true;
      continue;
    }
    if (flag != "--project" && flag != "--scale" && flag != "--size")
      throw UsageError(
          concat("unknown flag ", flag, did_you_mean(flag, {"--project", "--scale", "--size"})));
    if (i + 1 == arguments.size()) throw UsageError(concat(flag, ": a value is missing"));
    const std::string& value = arguments[++i];
    if (flag == "--project") options.project = value;
    if (flag == "--scale") read_scale(options, value);
    if (flag == "--size") read_size(options, value);
  }
  return options;
}

}  // namespace dorabooth
