// The messages of the whole session, and the ones that wait to be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dorabooth {

enum class MessageKind { kInfo, kWarning, kError };

struct Message {
  MessageKind kind = MessageKind::kInfo;
  std::string source;  // "train", "project", …
  std::string text;
};

struct Notice {
  int64_t id = 0;
  Message message;
};

struct LogState {
  std::vector<Message> messages;
  std::vector<Notice> notices;  // until they are dismissed
  int64_t next_notice = 1;
};

// Errors and warnings also become notices. The log keeps the last 10,000.
void add_message(LogState& log, Message message);

}  // namespace dorabooth
