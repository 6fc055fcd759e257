// A tensor's bytes come whole and in order, from any offset, and none of their pages stays mapped.
#include "src/tensorfile/mapped_pieces.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "tests/support/fixtures.h"

namespace dorabooth::mapped_pieces_test {
namespace {

class MappedPieces : public ::testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] = static_cast<std::byte>((i * 2654435761u) >> 13);
    }
    SafetensorsWriter writer(path_,
                             {{"before", DType::kU8, {77}, 0, 0},
                              {"tensor", DType::kU8, {static_cast<int64_t>(kSize)}, 0, 0}},
                             {});
    writer.write("before", 0, std::span(bytes_).first(77));
    writer.write("tensor", 0, bytes_);
    writer.finish();
  }

  // kB of the mapped file that count as memory of this process.
  int64_t resident_kb() const {
    std::ifstream file("/proc/self/smaps");
    std::string line;
    bool here = false;
    while (std::getline(file, line)) {
      if (line.find(path_.string()) != line.npos) here = true;
      if (here && line.starts_with("Rss:")) return std::stol(line.substr(4));
    }
    return -1;
  }

  static constexpr size_t kSize = 3'500'001;
  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "file.safetensors";
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kSize);
};

TEST_F(MappedPieces, GiveAnyRangeOnceAndInOrder) {
  const SafetensorsFile file(path_);
  const TensorEntry& entry = file.at("tensor");
  for (const auto& [offset, count] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, kSize}, {0, 0}, {1, 5}, {4095, 1'048'576}, {12'345, 2'500'000}, {kSize, 0}}) {
    std::vector<std::byte> got;
    size_t pieces = 0;
    for_each_piece(file, entry, offset, count, [&](std::span<const std::byte> piece) {
      const bool is_last = got.size() + piece.size() == count;
      EXPECT_TRUE(is_last || piece.size() % 64 == 0);
      got.insert(got.end(), piece.begin(), piece.end());
      ++pieces;
    });
    ASSERT_EQ(got.size(), count);
    EXPECT_EQ(std::memcmp(got.data(), bytes_.data() + offset, count), 0) << offset;
    EXPECT_EQ(pieces > 1, count > 1'048'576);
  }
}

TEST_F(MappedPieces, NoPageStays) {
  const SafetensorsFile file(path_);
  for_each_piece(file, file.at("tensor"), 0, kSize, [](std::span<const std::byte>) {});
  EXPECT_EQ(resident_kb(), 0);
  ASSERT_TRUE(map_pages(file, file.at("tensor")));
  EXPECT_GE(resident_kb(), static_cast<int64_t>(kSize / 1024));
  unmap_pages(file, file.at("tensor"));
  EXPECT_EQ(resident_kb(), 0);
}

TEST_F(MappedPieces, AFileThatBecameShorterIsAnError) {
  const SafetensorsFile file(path_);
  const TensorEntry& entry = file.at("tensor");
  std::filesystem::resize_file(path_, 1'000'000);
  EXPECT_FALSE(map_pages(file, entry));
  const std::string message = testing::message_of(
      [&] { for_each_piece(file, entry, 0, kSize, [](std::span<const std::byte>) {}); });
  EXPECT_NE(message.find("became shorter"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::mapped_pieces_test
