// A process that ends closes its connections a moment before its number is free, so that a look at
// /proc is repeated for a second.
#include "src/device/lost_process.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "src/base/error.h"

namespace dorabooth {

namespace {

namespace fs = std::filesystem;

std::string machine() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code ignored;
  return boot + " " + fs::read_symlink("/proc/self/ns/pid", ignored).string();
}

// Whether the process with this number has ended; a launcher may not have asked for its status yet.
bool has_ended(const std::string& number) {
  std::ostringstream text;
  text << std::ifstream("/proc/" + number + "/stat").rdbuf();
  const std::string stat = text.str();
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return true;
  const char state = stat[name_end + 2];
  return state == 'Z' || state == 'X';
}

// "MACHINE NUMBER" of a process on this machine; its number, or "".
std::string number_here(const std::string& place) {
  const std::string start = machine() + " ";
  return place.starts_with(start) ? place.substr(start.size()) : "";
}

std::vector<int> ended_processes(const std::vector<std::string>& places) {
  std::vector<int> ended;
  for (size_t rank = 0; rank < places.size(); ++rank) {
    const std::string number = number_here(places[rank]);
    if (!number.empty() && has_ended(number)) ended.push_back(static_cast<int>(rank));
  }
  return ended;
}

bool contains(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string processes_text(const std::vector<int>& ranks, int size) {
  std::string text = ranks.size() == 1 ? "process " : "processes ";
  for (size_t i = 0; i < ranks.size(); ++i) text += concat(i == 0 ? "" : ", ", ranks[i]);
  return concat(text, " of ", size);
}

}  // namespace

std::string place_of_this_process() { return concat(machine(), " ", getpid()); }

std::string reason_of_c10d(const std::string& thrown) {
  std::string text = thrown.substr(0, thrown.find('\n'));
  if (text.starts_with("[")) {
    const size_t end = text.find("] ");
    if (end != std::string::npos) text.erase(0, end + 2);
  }
  text = text.substr(0, text.find(". "));
  if (text.ends_with(".")) text.pop_back();
  return text;
}

std::string absence_text(const std::string& thrown, const ProcessEnvironment& environment) {
  const std::string reason = reason_of_c10d(thrown);
  const size_t slash = reason.rfind('/');
  const bool is_wait = reason.starts_with("wait timeout") && slash != std::string::npos;
  if (!is_wait) return reason;
  return concat("process ", reason.substr(slash + 1), " has not come within ",
                environment.timeout.count(), " s (DORABOOTH_PROCESS_TIMEOUT)");
}

std::string lost_process_text(const std::string& thrown, const ProcessEnvironment& environment,
                              const std::vector<std::string>& places) {
  const bool silent = contains(thrown, {"imed out", "imeout"});
  std::vector<int> who;
  if (environment.size == 2) {
    who = {1 - environment.rank};
  } else {
    for (int tries = 0; who.empty() && tries < 20 && !silent; ++tries) {
      if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      who = ended_processes(places);
    }
  }
  const bool one = who.size() <= 1;
  std::string text = who.empty() ? concat("one of the other ", environment.size - 1, " processes")
                                 : processes_text(who, environment.size);
  if (silent) {
    return concat(text, one ? " has" : " have", " not answered for ", environment.timeout.count(),
                  " s (DORABOOTH_PROCESS_TIMEOUT)");
  }
  text += one ? " was lost" : " were lost";
  if (contains(thrown, {"onnection closed", "onnection reset", "roken pipe"})) return text;
  return concat(text, ": ", reason_of_c10d(thrown));
}

}  // namespace dorabooth
