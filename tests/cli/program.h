// Runs the built program as a person would: words in, exit status, output and messages out.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fixtures.h"

namespace dorabooth::testing {

inline std::string file_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

struct Outcome {
  int status = -1;  // exit status; -signal where a signal ended it
  std::string out;
  std::string errors;
};

// A process of the program, started in the repository's root.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments,
                   std::filesystem::path path = binary_dir() / "dorabooth",
                   bool empty_environment = false) {
    arguments.insert(arguments.begin(), path.string());
    process_ = fork();
    if (process_ == 0) start(arguments, empty_environment);
  }
  // With these environment variables set beside the others.
  Program(std::vector<std::string> arguments, const std::map<std::string, std::string>& variables) {
    arguments.insert(arguments.begin(), (binary_dir() / "dorabooth").string());
    process_ = fork();
    if (process_ != 0) return;
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    start(arguments, /*empty_environment=*/false);
  }
  ~Program() {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
  }
  // On all its threads so far.
  double processor_seconds() const {
    const std::string text = file_text("/proc/" + std::to_string(process_) + "/stat");
    // The name in brackets may hold anything; the times are fields 14 and 15.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 3; i < 14; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  void send(int signal_number) const { kill(process_, signal_number); }

  Outcome wait() {
    int state = 0;
    waitpid(process_, &state, 0);
    process_ = -1;
    Outcome outcome;
    outcome.status = WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
    outcome.out = file_text(folder_.path() / "out");
    outcome.errors = file_text(folder_.path() / "errors");
    return outcome;
  }

 private:
  [[noreturn]] void start(const std::vector<std::string>& arguments, bool empty_environment) const {
    const auto redirect = [&](const char* name, int to) {
      const int file = open((folder_.path() / name).c_str(), O_CREAT | O_WRONLY, 0600);
      if (file < 0 || dup2(file, to) < 0) _exit(126);
    };
    redirect("out", STDOUT_FILENO);
    redirect("errors", STDERR_FILENO);
    if (chdir(source_dir().c_str()) != 0) _exit(126);
    std::vector<char*> words;
    for (const std::string& argument : arguments)
      words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    char* nothing[] = {nullptr};
    execve(words.front(), words.data(), empty_environment ? nothing : environ);
    _exit(127);
  }

  TemporaryFolder folder_;
  pid_t process_ = -1;
};

inline Outcome run(const std::vector<std::string>& arguments) { return Program(arguments).wait(); }

// Whether `condition` became true within the time and while the program ran.
template <typename Condition>
bool wait_until(Condition&& condition, const Program& program, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    const bool ended = program.ended();
    if (condition()) return true;
    if (ended) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace dorabooth::testing
