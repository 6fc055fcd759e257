// A program run as a child that is talked to by lines over its standard input and output.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace dorabooth {

class ChildProcess {
 public:
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments);
  // Ends the child.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Writes a line and returns the line that the child answers; throws if the child has ended.
  std::string ask(const std::string& line);

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
  std::string read_;  // beyond the last line
};

}  // namespace dorabooth
