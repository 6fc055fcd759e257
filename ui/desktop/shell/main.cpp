// The desktop program's arguments and exit status.
#include <iostream>

#include "src/base/error.h"
#include "ui/desktop/shell/program.h"

namespace dorabooth {

namespace {

int main_of(const std::vector<std::string>& arguments) {
  try {
    const DesktopOptions options = read_desktop_options(arguments);
    if (options.help) {
      std::cout << kDesktopUsage;
      return 0;
    }
    run_program(options);
    return 0;
  } catch (const UsageError& error) {
    std::cerr << "dorabooth gui: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "dorabooth gui: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace

}  // namespace dorabooth

int main(int argc, char** argv) { return dorabooth::main_of({argv + 1, argv + argc}); }
