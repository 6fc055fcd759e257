#include "ui/desktop/log_state.h"

namespace dorabooth {

void add_message(LogState& log, Message message) {
  constexpr size_t kKept = 10000;
  if (log.messages.size() == kKept) log.messages.erase(log.messages.begin());
  log.messages.push_back(message);
  if (message.kind != MessageKind::kInfo)
    log.notices.push_back({log.next_notice++, std::move(message)});
}

}  // namespace dorabooth
