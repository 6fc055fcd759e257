// TensorBoard files, read back by a parser of the wire format that knows only the public field
// numbers.
#include "src/report/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <vector>

#include "src/base/atomic_file.h"
#include "src/report/crc32c.h"
#include "tests/support/fixtures.h"

namespace dorabooth::tensorboard_test {
namespace {

using testing::TemporaryFolder;

// Fields of one protobuf message: number → raw value (varints as 8 bytes, little endian).
using Message = std::multimap<uint64_t, std::string>;

uint64_t read_varint(const std::string& bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; at < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

Message parse_message(const std::string& bytes) {
  Message message;
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t key = read_varint(bytes, at);
    size_t length = 0;
    switch (key & 7) {
      case 0: {
        const uint64_t value = read_varint(bytes, at);
        message.emplace(key >> 3, std::string(reinterpret_cast<const char*>(&value), 8));
        continue;
      }
      case 1:
        length = 8;
        break;
      case 2:
        length = read_varint(bytes, at);
        break;
      case 5:
        length = 4;
        break;
      default:
        ADD_FAILURE() << "wire type " << (key & 7);
        return message;
    }
    message.emplace(key >> 3, bytes.substr(at, length));
    at += length;
  }
  return message;
}

template <typename T>
T as(const std::string& raw) {
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

std::string field(const Message& message, uint64_t number) {
  EXPECT_EQ(message.count(number), 1u) << "field " << number;
  return message.count(number) ? message.find(number)->second : std::string(8, '\0');
}

// The records of a TFRecord file; their checksums are checked with the mask's definition.
std::vector<Message> read_events(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const auto expect_checksum = [](const std::string& text, uint32_t stored) {
    const uint32_t rotated = stored - 0xa282ead8u;
    EXPECT_EQ((rotated << 15) | (rotated >> 17), crc32c(text));
  };
  std::vector<Message> events;
  for (size_t at = 0; at + 16 <= bytes.size();) {
    const auto length = as<uint64_t>(bytes.substr(at, 8));
    expect_checksum(bytes.substr(at, 8), as<uint32_t>(bytes.substr(at + 8, 4)));
    const std::string body = bytes.substr(at + 12, length);
    expect_checksum(body, as<uint32_t>(bytes.substr(at + 12 + length, 4)));
    events.push_back(parse_message(body));
    at += 16 + length;
  }
  return events;
}

TEST(Crc32c, GivesTheKnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  // RFC 3720, B.4: 32 zeros, 32 ones, 0 … 31.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string counting;
  for (int i = 0; i < 32; ++i) counting += static_cast<char>(i);
  EXPECT_EQ(crc32c(counting), 0x46dd794eu);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Tensorboard, FileBeginsWithTheFormatsVersion) {
  const TemporaryFolder folder;
  const TensorboardFile file(folder.path() / "logs");
  EXPECT_EQ(file.path().filename().string().rfind("events.out.tfevents.", 0), 0u);
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(field(events[0], 3), "brain.Event:2");
  EXPECT_GT(as<double>(field(events[0], 1)), 1.6e9);
}

TEST(Tensorboard, ScalarComesBackWithStepAndTag) {
  const TemporaryFolder folder;
  TensorboardFile file(folder.path());
  file.scalar(300, "loss/dora", 0.125f);
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(as<int64_t>(field(events[1], 2)), 300);
  const Message value = parse_message(field(parse_message(field(events[1], 5)), 1));
  EXPECT_EQ(field(value, 1), "loss/dora");
  EXPECT_EQ(as<float>(field(value, 2)), 0.125f);
}

TEST(Tensorboard, PictureComesBackWholeAndWithItsSize) {
  const TemporaryFolder folder;
  TensorboardFile file(folder.path());
  const std::string encoded = std::string("\x89PNG\0\xff", 6) + std::string(300, 'x');
  file.picture(1, "samples", 640, 480, encoded);
  const Message value =
      parse_message(field(parse_message(field(read_events(file.path()).at(1), 5)), 1));
  EXPECT_EQ(field(value, 1), "samples");
  const Message image = parse_message(field(value, 4));
  EXPECT_EQ(as<int64_t>(field(image, 1)), 480);
  EXPECT_EQ(as<int64_t>(field(image, 2)), 640);
  EXPECT_EQ(as<int64_t>(field(image, 3)), 3);
  EXPECT_EQ(field(image, 4), encoded);
}

TEST(Tensorboard, ResumedRunStartsASessionAfterItsLastStep) {
  const TemporaryFolder folder;
  const TensorboardFile first(folder.path());
  const TensorboardFile resumed(folder.path(), 40);
  EXPECT_NE(first.path(), resumed.path());
  const auto events = read_events(resumed.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(as<int64_t>(field(events[1], 2)), 41);
  EXPECT_EQ(as<int64_t>(field(parse_message(field(events[1], 7)), 1)), 1);
}

TEST(Tensorboard, AnotherRunInTheSameFolderTakesThePlaceOfTheEarlierOne) {
  const TemporaryFolder folder;
  const TensorboardFile first(folder.path());
  const TensorboardFile second(folder.path());
  const auto events = read_events(second.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(as<int64_t>(field(events[1], 2)), 0);
  EXPECT_EQ(as<int64_t>(field(parse_message(field(events[1], 7)), 1)), 1);
}

}  // namespace
}  // namespace dorabooth::tensorboard_test
