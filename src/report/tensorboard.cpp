// TFRecord framing (length, CRC of the length, message, CRC of the message) around Event messages.
#include "src/report/tensorboard.h"

#include <unistd.h>

#include <array>
#include <chrono>

#include "src/base/error.h"
#include "src/report/crc32c.h"
#include "tensorboard_event.pb.h"

namespace dorabooth {

namespace {

using tensorboard::Event;
using tensorboard::SessionLog;
using tensorboard::Summary;

constexpr int kRgb = 3;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Named as TensorBoard looks for them; the number tells apart files started in the same second.
AppendFile new_event_file(const std::filesystem::path& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string stem =
      concat("events.out.tfevents.", static_cast<int64_t>(seconds_since_1970()), ".", host.data(),
             ".", ::getpid(), ".");
  int number = 0;
  while (std::filesystem::exists(folder / (stem + std::to_string(number)))) ++number;
  return AppendFile(folder / (stem + std::to_string(number)), AppendFile::Mode::kNew);
}

Event event_at(int64_t step) {
  Event event;
  event.set_wall_time(seconds_since_1970());
  event.set_step(step);
  return event;
}

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
  return text;
}

}  // namespace

TensorboardFile::TensorboardFile(const std::filesystem::path& folder, int64_t last_step)
    : file_(new_event_file(folder)) {
  Event version = event_at(0);
  version.set_file_version("brain.Event:2");
  append_record(version.SerializeAsString());
  if (last_step > 0) {
    Event restart = event_at(last_step + 1);
    restart.mutable_session_log()->set_status(SessionLog::START);
    append_record(restart.SerializeAsString());
  }
}

void TensorboardFile::scalar(int64_t step, const std::string& tag, float value) {
  Event event = event_at(step);
  Summary::Value* entry = event.mutable_summary()->add_value();
  entry->set_tag(tag);
  entry->set_simple_value(value);
  append_record(event.SerializeAsString());
}

void TensorboardFile::picture(int64_t step, const std::string& tag, int width, int height,
                              std::string_view encoded) {
  Event event = event_at(step);
  Summary::Value* entry = event.mutable_summary()->add_value();
  entry->set_tag(tag);
  Summary::Image* image = entry->mutable_image();
  image->set_width(width);
  image->set_height(height);
  image->set_colorspace(kRgb);
  image->set_encoded_image_string(encoded.data(), encoded.size());
  append_record(event.SerializeAsString());
}

void TensorboardFile::append_record(const std::string& message) {
  const std::string length = little_endian(message.size(), 8);
  file_.append(length + little_endian(masked_crc32c(length), 4) + message +
               little_endian(masked_crc32c(message), 4));
}

}  // namespace dorabooth
