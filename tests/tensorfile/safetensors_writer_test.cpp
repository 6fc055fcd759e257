// The writer: layout of the reference writer, atomic replacement, and a disk that fills.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <numeric>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"
#include "tests/tensorfile/raw_file.h"

namespace dorabooth::safetensors_writer_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

TensorEntry entry(const std::string& name, DType dtype, std::vector<int64_t> shape) {
  return {name, dtype, std::move(shape), 0, 0};
}

std::vector<std::byte> counted(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

class SafetensorsWriterTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  fs::path path_ = folder_.path() / "out.safetensors";
};

TEST_F(SafetensorsWriterTest, WritesTheBytesOfTheReferenceWriter) {
  SafetensorsWriter writer(path_,
                           {entry("b", DType::kF32, {1}), entry("a", DType::kF32, {}),
                            entry("z", DType::kI64, {1}), entry("h", DType::kBF16, {2, 0})},
                           {{"format", "pt"}});
  writer.write("a", 0, counted(4));
  writer.write("b", 0, counted(4));
  writer.write("z", 0, counted(8));
  writer.finish();
  // Widest dtype first, then by name; compact JSON; spaces to a multiple of 8 (safetensors,
  // tensor.rs).
  std::string header =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("h":{"dtype":"BF16","shape":[2,0],"data_offsets":[16,16]}})";
  while (header.size() % 8) header += ' ';
  const auto text = [](size_t size) {
    const auto bytes = counted(size);
    return std::string(reinterpret_cast<const char*>(bytes.data()), size);
  };
  EXPECT_EQ(read_file(path_), testing::raw_file(header, 0) + text(8) + text(4) + text(4));
}

TEST_F(SafetensorsWriterTest, RoundTripInAnyOrderAndPieces) {
  const std::map<std::string, std::string> metadata = {{"k\"\n\x01", "\xe5\xad\x97 \\"}, {"", ""}};
  const std::vector<TensorEntry> tensors = {entry("x\t\xc3\xa9", DType::kU8, {3, 5}),
                                            entry("y", DType::kF64, {2})};
  SafetensorsWriter writer(path_, tensors, metadata);
  const auto x = counted(15), y = counted(16);
  const auto write_piece = [&](const std::string& name, const auto& bytes, size_t at, size_t size) {
    writer.write(name, at, std::span(bytes).subspan(at, size));
  };
  write_piece(tensors[0].name, x, 10, 5);
  write_piece("y", y, 8, 8);
  write_piece(tensors[0].name, x, 0, 4);
  write_piece(tensors[0].name, x, 4, 6);
  write_piece("y", y, 0, 8);
  writer.finish();

  const SafetensorsFile file(path_);
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(fs::file_size(path_), SafetensorsWriter::file_size(tensors, metadata));
  std::vector<std::byte> read(15);
  file.read(file.at(tensors[0].name), 0, read);
  EXPECT_EQ(read, x);
  EXPECT_EQ(file.at(tensors[0].name).shape, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.data(file.at("y"))) % 8, 0u);
  EXPECT_EQ(files_in(folder_.path()), 1u);
}

TEST_F(SafetensorsWriterTest, OldFileStaysUntilTheNewOneIsWhole) {
  write_file_atomically(path_, "old");
  {
    SafetensorsWriter writer(path_, {entry("a", DType::kU8, {4})}, {});
    writer.write("a", 0, counted(2));
    EXPECT_EQ(read_file(path_), "old");
    EXPECT_NE(message_of([&] { writer.finish(); }).find("not all of the 4 bytes of tensor 'a'"),
              std::string::npos);
    EXPECT_EQ(read_file(path_), "old");
    writer.write("a", 2, counted(2));
    writer.finish();
  }
  EXPECT_EQ(SafetensorsFile(path_).entries().size(), 1u);
  EXPECT_EQ(files_in(folder_.path()), 1u);
}

TEST_F(SafetensorsWriterTest, AbandonedWriterLeavesNothing) {
  { SafetensorsWriter writer(path_, {entry("a", DType::kU8, {4})}, {}); }
  EXPECT_EQ(files_in(folder_.path()), 0u);
}

TEST_F(SafetensorsWriterTest, TwoWritersOfOnePathDoNotMix) {
  SafetensorsWriter first(path_, {entry("a", DType::kU8, {1})}, {});
  SafetensorsWriter second(path_, {entry("b", DType::kU8, {1})}, {});
  first.write("a", 0, counted(1));
  second.write("b", 0, counted(1));
  first.finish();
  second.finish();
  EXPECT_NE(SafetensorsFile(path_).find("b"), nullptr);
  EXPECT_EQ(files_in(folder_.path()), 1u);
}

TEST_F(SafetensorsWriterTest, RefusesUnknownRepeatedAndOutsideBytes) {
  SafetensorsWriter writer(path_, {entry("weight", DType::kU8, {4})}, {});
  EXPECT_NE(message_of([&] { writer.write("wieght", 0, counted(1)); }).find("'weight'?"),
            std::string::npos);
  EXPECT_THROW(writer.write("weight", 3, counted(2)), Error);
  writer.write("weight", 1, counted(2));
  for (const uint64_t offset : {0u, 1u, 2u}) {
    EXPECT_THROW(writer.write("weight", offset, counted(2)), Error) << offset;
  }
  writer.write("weight", 0, counted(1));
  writer.write("weight", 3, counted(1));
  writer.finish();
  EXPECT_THROW(writer.write("weight", 0, counted(1)), Error);
  EXPECT_THROW(writer.finish(), Error);
}

TEST_F(SafetensorsWriterTest, RefusesNamesAndShapesThatNoReaderTakes) {
  const auto refusal = [&](std::vector<TensorEntry> tensors) {
    return message_of([&] { SafetensorsWriter writer(path_, tensors, {}); });
  };
  const TensorEntry a = entry("a", DType::kU8, {1});
  EXPECT_NE(refusal({a, a}).find("given twice"), std::string::npos);
  EXPECT_NE(refusal({entry("__metadata__", DType::kU8, {1})}).find("reserved"), std::string::npos);
  EXPECT_NE(refusal({entry("\xff", DType::kU8, {1})}).find("not UTF-8"), std::string::npos);
  EXPECT_NE(refusal({entry("a", DType::kU8, {-1})}).find("negative"), std::string::npos);
  EXPECT_NE(refusal({entry("a", DType::kF4, {1})}).find("whole bytes"), std::string::npos);
  EXPECT_NE(refusal({entry("a", DType::kF32, {int64_t{1} << 62})}).find("overflow"),
            std::string::npos);
  EXPECT_EQ(files_in(folder_.path()), 0u);
}

TEST_F(SafetensorsWriterTest, FolderInTheWayIsRefusedAndKept) {
  fs::create_directories(path_ / "kept");
  EXPECT_NE(message_of([&] { SafetensorsWriter writer(path_, {}, {}); }).find("it is a folder"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(path_ / "kept"));
}

TEST_F(SafetensorsWriterTest, MoreThanTheDiskHoldsIsRefusedAtTheStart) {
  const std::string message = message_of(
      [&] { SafetensorsWriter writer(path_, {entry("a", DType::kU8, {int64_t{1} << 60})}, {}); });
  EXPECT_NE(message.find(path_.string() + " needs "), std::string::npos) << message;
  EXPECT_EQ(files_in(folder_.path()), 0u);
}

// A file size limit stands for a full disk: the same failing calls, another error number.
TEST_F(SafetensorsWriterTest, FullDiskGivesOneSentenceAndLeavesNothing) {
  write_file_atomically(path_, "old");
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit previous_limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &previous_limit), 0);
  const rlimit limit = {4096, previous_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message = message_of([&] {
    SafetensorsWriter writer(path_, {entry("a", DType::kU8, {10000})}, {});
    writer.write("a", 0, counted(10000));
    writer.finish();
  });
  ::setrlimit(RLIMIT_FSIZE, &previous_limit);
  std::signal(SIGXFSZ, previous_handler);
  EXPECT_NE(message.find("cannot write " + path_.string()), std::string::npos) << message;
  EXPECT_EQ(read_file(path_), "old");
  EXPECT_EQ(files_in(folder_.path()), 1u);
}

}  // namespace
}  // namespace dorabooth::safetensors_writer_test
