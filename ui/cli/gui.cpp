// dorabooth gui: becomes the desktop program that lies beside this one.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "src/base/error.h"
#include "ui/cli/commands.h"

namespace dorabooth {

int gui_command(const Arguments& arguments, const Streams&) {
  namespace fs = std::filesystem;
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "dorabooth-desktop";
  if (!fs::exists(program))
    fail("the desktop program is not here: ", program.string(),
         " is missing (it is built where Dear ImGui's sources and GLFW are there)");
  const bool asks_for_help =
      !arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h");
  const char* display = std::getenv("DISPLAY");
  if (!asks_for_help && (display == nullptr || *display == '\0'))
    fail(
        "there is no display to open a window on (DISPLAY is not set); the other commands need "
        "none");
  const std::string name = program.string();
  std::vector<char*> words = {const_cast<char*>(name.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  execv(name.c_str(), words.data());
  fail(name, " cannot be started: ", std::strerror(errno));
}

}  // namespace dorabooth
