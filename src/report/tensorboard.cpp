// TFRecord framing (length, CRC of the length, message, CRC of the message) around Event messages
// of TensorBoard's public field numbers, encoded here: SentencePiece's library exports a protobuf
// run time of its own, and two of them in one process crash before main().
#include "src/report/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "src/base/error.h"
#include "src/report/crc32c.h"

namespace dorabooth {

namespace {

constexpr int kRgb = 3;
constexpr int kSessionStart = 1;

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
  return text;
}

// A message in protobuf's wire format, field by field.
class Message {
 public:
  void integer(uint64_t field, int64_t value) {
    varint(field << 3);
    varint(static_cast<uint64_t>(value));
  }
  void number(uint64_t field, double value) {
    varint(field << 3 | 1);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    bytes_ += little_endian(bits, 8);
  }
  void number(uint64_t field, float value) {
    varint(field << 3 | 5);
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    bytes_ += little_endian(bits, 4);
  }
  void text(uint64_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(uint64_t field, const Message& value) { text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr const char* kFilePrefix = "events.out.tfevents.";

bool is_event_file(const std::filesystem::directory_entry& entry) {
  return entry.path().filename().string().starts_with(kFilePrefix);
}

// Named as TensorBoard looks for them; the number tells apart files started in the same second.
AppendFile new_event_file(const std::filesystem::path& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string stem = concat(kFilePrefix, static_cast<int64_t>(seconds_since_1970()), ".",
                                  host.data(), ".", ::getpid(), ".");
  int number = 0;
  while (std::filesystem::exists(folder / (stem + std::to_string(number)))) ++number;
  return AppendFile(folder / (stem + std::to_string(number)), AppendFile::Mode::kNew);
}

// Event: wall_time 1, step 2, file_version 3, summary 5, session_log 7.
Message event_at(int64_t step) {
  Message event;
  event.number(1, seconds_since_1970());
  event.integer(2, step);
  return event;
}

// Summary: value 1, repeated. `value`: tag 1, simple_value 2, image 4.
std::string event_with_value(int64_t step, const Message& value) {
  Message summary;
  summary.message(1, value);
  Message event = event_at(step);
  event.message(5, summary);
  return event.bytes();
}

}  // namespace

TensorboardFile::TensorboardFile(const std::filesystem::path& folder, int64_t last_step)
    : file_(new_event_file(folder)) {
  const std::filesystem::directory_iterator files(folder);
  const bool is_first = std::count_if(begin(files), end(files), is_event_file) == 1;
  Message version = event_at(0);
  version.text(3, "brain.Event:2");
  append_record(version.bytes());
  if (!is_first || last_step > 0) {
    Message session;
    session.integer(1, kSessionStart);
    Message restart = event_at(last_step > 0 ? last_step + 1 : 0);
    restart.message(7, session);
    append_record(restart.bytes());
  }
}

void TensorboardFile::scalar(int64_t step, const std::string& tag, float value) {
  Message entry;
  entry.text(1, tag);
  entry.number(2, value);
  append_record(event_with_value(step, entry));
}

void TensorboardFile::picture(int64_t step, const std::string& tag, int width, int height,
                              std::string_view encoded) {
  Message image;
  image.integer(1, height);
  image.integer(2, width);
  image.integer(3, kRgb);
  image.text(4, encoded);
  Message entry;
  entry.text(1, tag);
  entry.message(4, image);
  append_record(event_with_value(step, entry));
}

void TensorboardFile::append_record(const std::string& message) {
  const std::string length = little_endian(message.size(), 8);
  file_.append(length + little_endian(masked_crc32c(length), 4) + message +
               little_endian(masked_crc32c(message), 4));
}

}  // namespace dorabooth
