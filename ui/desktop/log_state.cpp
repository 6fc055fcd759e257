#include "ui/desktop/log_state.h"

#include <algorithm>
#include <cctype>

namespace dorabooth {

namespace {

bool equal_letters(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

}  // namespace

void add_message(LogState& log, Message message) {
  constexpr size_t kKept = 10000;
  if (log.messages.size() == kKept) log.messages.erase(log.messages.begin());
  log.messages.push_back(message);
  if (message.kind != MessageKind::kInfo)
    log.notices.push_back({log.next_notice++, std::move(message)});
}

bool is_shown(const Message& message, const LogFilter& filter) {
  if (message.kind < filter.least) return false;
  const std::string line = line_of(message);
  const std::string& word = filter.search;
  return std::search(line.begin(), line.end(), word.begin(), word.end(), equal_letters) !=
             line.end() ||
         word.empty();
}

std::string line_of(const Message& message) {
  const char* kind = message.kind == MessageKind::kError     ? "error: "
                     : message.kind == MessageKind::kWarning ? "warning: "
                                                             : "";
  return "[" + message.source + "] " + kind + message.text;
}

std::string log_text(const LogState& log) {
  std::string text;
  for (const Message& message : log.messages) {
    if (is_shown(message, log.filter)) text += line_of(message) + "\n";
  }
  return text;
}

}  // namespace dorabooth
