// Xvfb keeps its picture in a file (-fbdir) of the XWD format: a header of big-endian words,
// colours, rows.
#include "tests/desktop/virtual_screen.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace dorabooth::testing {

namespace fs = std::filesystem;

namespace {

std::string program_path() {
  std::istringstream folders(std::getenv("PATH") ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path path = fs::path(folder) / "Xvfb";
    if (access(path.c_str(), X_OK) == 0) return path.string();
  }
  return "";
}

[[noreturn]] void become_server(const std::string& path, const std::string& size,
                                const std::string& folder, int display_file) {
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, STDOUT_FILENO);
  dup2(nothing, STDERR_FILENO);
  const std::string number = std::to_string(display_file);
  execl(path.c_str(), "Xvfb", "-displayfd", number.c_str(), "-screen", "0", size.c_str(), "-fbdir",
        folder.c_str(), "-nocursor", "-noreset", "-nolisten", "tcp", static_cast<char*>(nullptr));
  _exit(127);
}

uint32_t word(const std::string& bytes, size_t index) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes.at(4 * index + i));
  return value;
}

}  // namespace

bool VirtualScreen::available() { return !program_path().empty(); }

VirtualScreen::VirtualScreen(int width, int height) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const std::string size = std::to_string(width) + "x" + std::to_string(height) + "x24";
  server_ = fork();
  if (server_ == 0) {
    close(ends[0]);
    become_server(program_path(), size, folder_.path().string(), ends[1]);
  }
  close(ends[1]);
  // A line, written once the server takes connections; read whole, or its end would be a SIGPIPE.
  std::string line;
  for (char c = 0; line.find('\n') == std::string::npos && read(ends[0], &c, 1) == 1;) line += c;
  close(ends[0]);
  if (line.empty()) throw std::runtime_error("Xvfb did not start");
  display_ = ":" + std::to_string(std::stoi(line));
  setenv("DISPLAY", display_.c_str(), 1);
}

VirtualScreen::~VirtualScreen() {
  unsetenv("DISPLAY");
  kill(server_, SIGTERM);
  waitpid(server_, nullptr, 0);
}

Image VirtualScreen::picture() const {
  std::ostringstream text;
  text << std::ifstream(folder_.path() / "Xvfb_screen0", std::ios::binary).rdbuf();
  const std::string bytes = text.str();
  constexpr size_t kColor = 12;  // bytes of a colour map's entry
  const size_t header = word(bytes, 0);
  const auto width = static_cast<int>(word(bytes, 4));
  const auto height = static_cast<int>(word(bytes, 5));
  const size_t row_bytes = word(bytes, 12);
  const size_t start = header + word(bytes, 19) * kColor;
  Image image(width, height, 0);
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    for (size_t x = 0; x < static_cast<size_t>(width); ++x) {
      const size_t from = start + y * row_bytes + 4 * x;  // blue, green, red, nothing
      const size_t to = 3 * (y * static_cast<size_t>(width) + x);
      for (size_t c = 0; c < 3; ++c)
        image.rgb_hwc[to + c] = static_cast<uint8_t>(bytes.at(from + 2 - c));
    }
  }
  return image;
}

}  // namespace dorabooth::testing
