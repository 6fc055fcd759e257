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

// What the Log window shows of the messages.
struct LogFilter {
  MessageKind least = MessageKind::kInfo;  // kWarning: warnings and errors
  std::string search;
};

struct LogState {
  LogFilter filter;
  std::vector<Message> messages;
  std::vector<Notice> notices;  // until they are dismissed
  int64_t next_notice = 1;
};

// Errors and warnings also become notices. The log keeps the last 10,000.
void add_message(LogState& log, Message message);

bool is_shown(const Message& message, const LogFilter& filter);

// "[train] error: the disk is full"
std::string line_of(const Message& message);

// The shown messages, a line each.
std::string log_text(const LogState& log);

}  // namespace dorabooth
