// One hostile file per reject rule of the safetensors format, and the odd files that are legal.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"
#include "tests/tensorfile/raw_file.h"

namespace dorabooth::safetensors_reader_test {
namespace {

using testing::message_of;
using testing::raw_file;
using testing::write_raw;

class SafetensorsReader : public ::testing::Test {
 protected:
  // The sentence with which a file of these bytes is refused; it must name the file.
  std::string refusal(const std::string& bytes) {
    const auto path = write_raw(folder_.path() / "hostile.safetensors", bytes);
    const std::string message = message_of([&] { SafetensorsFile file(path); });
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    return message;
  }

  void expect_refused(const std::string& bytes, const std::string& reason) {
    const std::string message = refusal(bytes);
    EXPECT_NE(message.find(reason), std::string::npos) << "want '" << reason << "' in: " << message;
  }

  SafetensorsFile open(const std::string& bytes) {
    return SafetensorsFile(write_raw(folder_.path() / "legal.safetensors", bytes));
  }

  testing::TemporaryFolder folder_;
};

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST_F(SafetensorsReader, RefusesFileShorterThanItsLengthField) {
  expect_refused("", "0 bytes are too few");
  expect_refused("1234567", "7 bytes are too few");
}

TEST_F(SafetensorsReader, RefusesHeaderOverTheLimit) {
  std::string bytes(8, '\0');
  const uint64_t length = 100'000'001;
  std::memcpy(bytes.data(), &length, 8);
  expect_refused(bytes + "{}", "exceeds the limit of 100000000 bytes");
  expect_refused(std::string(8, '\xff') + "{}", "exceeds the limit");
}

TEST_F(SafetensorsReader, RefusesHeaderLongerThanTheFile) {
  expect_refused(raw_file("{}      ", 0).substr(0, 12), "does not fit in the file of 12 bytes");
}

TEST_F(SafetensorsReader, NamesPickledFilesAndPointers) {
  expect_refused("PK\x03\x04 and more of it", "pickled");
  expect_refused("version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
}

TEST_F(SafetensorsReader, RefusesHeaderThatIsNotAnObject) {
  expect_refused(raw_file("", 0), "must start with '{'");
  expect_refused(raw_file(" {}", 0), "must start with '{'");
  expect_refused(raw_file("[]", 0), "must start with '{'");
  expect_refused(raw_file("\xEF\xBB\xBF{}", 0), "must start with '{'");
}

TEST_F(SafetensorsReader, RefusesHeaderThatIsNotJson) {
  expect_refused(raw_file("{\"a\":", 0), "not UTF-8 JSON");
  expect_refused(raw_file("{} x", 0), "not UTF-8 JSON");
  expect_refused(raw_file("{}{}", 0), "not UTF-8 JSON");
  expect_refused(raw_file(std::string("{}\0x", 4), 0), "not UTF-8 JSON");
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "[0,1]") + ",}", 1), "not UTF-8 JSON");
}

TEST_F(SafetensorsReader, RefusesHeaderThatIsNotUtf8) {
  for (const char* name : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    expect_refused(raw_file("{" + tensor(name, "U8", "[1]", "[0,1]") + "}", 1), "not UTF-8 JSON");
  }
  expect_refused(raw_file("{" + tensor("\\ud800", "U8", "[1]", "[0,1]") + "}", 1), "not UTF-8");
}

TEST_F(SafetensorsReader, RefusesWrongTypes) {
  expect_refused(raw_file("{\"a\":1}", 0), "'a' must be an object, got a number");
  expect_refused(raw_file("{\"a\":null}", 0), "'a' must be an object, got null");
  expect_refused(raw_file("{\"a\":[1]}", 0), "'a' must be an object, got an array");
  expect_refused(raw_file("{" + tensor("a", "U8", "[\"1\"]", "[0,1]") + "}", 1), "got a string");
  expect_refused(raw_file("{" + tensor("a", "U8", "[1.0]", "[0,1]") + "}", 1), "'shape' must hold");
  expect_refused(raw_file("{" + tensor("a", "U8", "[-1]", "[0,1]") + "}", 1), "a negative number");
  expect_refused(raw_file("{" + tensor("a", "U8", "[[1]]", "[0,1]") + "}", 1), "an array");
  expect_refused(raw_file("{" + tensor("a", "U8", "1", "[0,1]") + "}", 1), "'shape' must be");
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "{}") + "}", 1), "got an object");
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "[0,1,2]") + "}", 1), "needs 2 numbers");
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "[0]") + "}", 1), "needs 2 numbers");
  expect_refused(raw_file(R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1), "'dtype'");
}

TEST_F(SafetensorsReader, RefusesMetadataThatIsNotStrings) {
  expect_refused(raw_file(R"({"__metadata__":{"rank":4}})", 0), "'rank' must be a string");
  expect_refused(raw_file(R"({"__metadata__":{"x":{"y":"z"}}})", 0), "'x' must be a string");
  expect_refused(raw_file(R"({"__metadata__":["x"]})", 0), "'__metadata__' must be an object");
}

TEST_F(SafetensorsReader, RefusesMissingAndUnknownFields) {
  expect_refused(raw_file(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "'dtype' is missing");
  expect_refused(raw_file(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "'shape' is missing");
  expect_refused(raw_file(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "'data_offsets' is missing");
  expect_refused(raw_file(R"({"a":{"dtype":"U8","stride":[1]}})", 1), "unknown field 'stride'");
}

TEST_F(SafetensorsReader, RefusesUnknownDtype) {
  expect_refused(raw_file("{" + tensor("weights.a", "F12", "[1]", "[0,1]") + "}", 1),
                 "tensor 'weights.a': the field 'dtype' must be a known dtype's name, got the "
                 "unknown dtype 'F12'");
}

TEST_F(SafetensorsReader, RefusesFirstTensorNotAtZero) {
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "[1,2]") + "}", 2),
                 "tensor 'a': its data begins at 1, but the data before it ends at 0");
}

TEST_F(SafetensorsReader, RefusesHolesAndOverlaps) {
  const std::string first = "{" + tensor("a", "U8", "[2]", "[0,2]") + ",";
  expect_refused(raw_file(first + tensor("b", "U8", "[1]", "[3,4]") + "}", 4), "tensor 'b'");
  expect_refused(raw_file(first + tensor("b", "U8", "[2]", "[1,3]") + "}", 3), "no overlap");
  expect_refused(raw_file(first + tensor("b", "U8", "[2]", "[0,2]") + "}", 2), "no overlap");
}

TEST_F(SafetensorsReader, RefusesEndBeforeBegin) {
  expect_refused(raw_file("{" + tensor("a", "U8", "[1]", "[1,0]") + "}", 1), "before its begin");
}

TEST_F(SafetensorsReader, RefusesSizesThatOverflow) {
  const std::string big = "4294967296";
  const auto refuse_shape = [&](const std::string& dtype, const std::string& shape) {
    expect_refused(raw_file("{" + tensor("a", dtype, shape, "[0,8]") + "}", 8), "overflow");
  };
  refuse_shape("U8", "[" + big + "," + big + "," + big + "]");
  refuse_shape("U8", "[18446744073709551615]");
  refuse_shape("F64", "[2305843009213693952]");
  expect_refused(raw_file("{" + tensor("a", "U8", "[18446744073709551616]", "[0,8]") + "}", 8),
                 "unsigned 64-bit");
}

TEST_F(SafetensorsReader, RefusesValuesThatDoNotFillBytes) {
  expect_refused(raw_file("{" + tensor("a", "F4", "[3]", "[0,2]") + "}", 2), "whole bytes");
  expect_refused(raw_file("{" + tensor("a", "F6_E2M3", "[3]", "[0,3]") + "}", 3), "whole bytes");
}

TEST_F(SafetensorsReader, RefusesOffsetsThatContradictTheShape) {
  expect_refused(raw_file("{" + tensor("a", "F32", "[2,3]", "[0,20]") + "}", 20),
                 "tensor 'a': F32 [2,3] takes 24 bytes, but data_offsets give it 20");
}

TEST_F(SafetensorsReader, RefusesTrailingAndMissingBytes) {
  const std::string header = "{" + tensor("a", "U8", "[2]", "[0,2]") + "}";
  expect_refused(raw_file(header, 3), "trailing bytes are not allowed");
  expect_refused(raw_file(header, 1), "the file is cut short");
  expect_refused(raw_file("{}", 1), "trailing bytes are not allowed");
}

TEST_F(SafetensorsReader, RefusesRepeatedKeys) {
  const std::string a = tensor("a", "U8", "[1]", "[0,1]");
  expect_refused(raw_file("{" + a + "," + a + "}", 1), "the key 'a' twice");
  expect_refused(raw_file("{" + a + "," + tensor("\\u0061", "U8", "[1]", "[1,2]") + "}", 2),
                 "the key 'a' twice");
  expect_refused(raw_file(R"({"__metadata__":{},"__metadata__":{}})", 0), "'__metadata__' twice");
  expect_refused(raw_file(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "the key 'k' twice");
  expect_refused(raw_file(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0), "the key 'dtype' twice");
}

TEST_F(SafetensorsReader, RefusesWhatIsNotARegularFile) {
  EXPECT_NE(message_of([&] { SafetensorsFile f(folder_.path()); }).find("it is a folder"),
            std::string::npos);
  EXPECT_NE(message_of([&] { SafetensorsFile f(folder_.path() / "absent"); }).find("No such file"),
            std::string::npos);
  const auto pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(message_of([&] { SafetensorsFile f(pipe); }).find("not a regular file"),
            std::string::npos);
}

TEST_F(SafetensorsReader, MessagesEscapeAndShortenNames) {
  const std::string name = "\\u001b[31m" + std::string(5000, 'x');
  const std::string message = refusal(raw_file("{" + tensor(name, "U8", "[1]", "[1,2]") + "}", 2));
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 600u);
}

TEST_F(SafetensorsReader, LoadsUnpaddedHeaderAndUnalignedData) {
  std::string header =
      "{" + tensor("a", "F32", "[2]", "[1,9]") + "," + tensor("b", "U8", "[1]", "[0,1]") + "}";
  for (int spaces = 0; spaces < 9; ++spaces) {
    const SafetensorsFile file = open(raw_file(header, 9));
    ASSERT_EQ(file.entries().size(), 2u);
    EXPECT_EQ(file.entries()[0].name, "b");
    const TensorEntry& a = file.at("a");
    EXPECT_EQ(a.dtype, DType::kF32);
    EXPECT_EQ(a.shape, std::vector<int64_t>{2});
    EXPECT_EQ(static_cast<int>(file.data(a)[0]), 1);
    EXPECT_EQ(static_cast<int>(file.data(a)[7]), 8);
    header += ' ';
  }
}

TEST_F(SafetensorsReader, LoadsEmptyFilesScalarsAndZeroExtents) {
  EXPECT_TRUE(open(raw_file("{}", 0)).entries().empty());
  const SafetensorsFile file = open(raw_file("{" + tensor("none", "F32", "[0,3]", "[4,4]") + "," +
                                                 tensor("scalar", "F32", "[]", "[0,4]") + "," +
                                                 tensor("void", "F64", "[2,0]", "[0,0]") + "," +
                                                 tensor("nibbles", "F4", "[4]", "[4,6]") + "}",
                                             6));
  EXPECT_EQ(file.at("scalar").numel(), 1);
  EXPECT_EQ(file.at("none").numel(), 0);
  EXPECT_EQ(file.at("none").bytes(), 0u);
  EXPECT_EQ(file.at("nibbles").bytes(), 2u);
}

TEST_F(SafetensorsReader, LoadsUnicodeAndEscapedNamesAndMetadata) {
  const SafetensorsFile file =
      open(raw_file("{\"__metadata__\":{\"k\\n\":\"v\\u00e9\"}," +
                        tensor("\xe5\xad\x97\\u0000\\\"", "I8", "[1]", "[0,1]") + "}",
                    1));
  EXPECT_NE(file.find(std::string("\xe5\xad\x97\0\"", 5)), nullptr);
  EXPECT_EQ(file.metadata().at("k\n"), "v\xc3\xa9");
}

TEST_F(SafetensorsReader, ReadsPiecesAndRefusesBytesOutsideTheTensor) {
  const SafetensorsFile file = open(raw_file(
      "{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("b", "U8", "[4]", "[4,8]") + "}", 8));
  std::vector<std::byte> piece(2);
  file.read(file.at("b"), 1, piece);
  EXPECT_EQ(static_cast<int>(piece[0]), 5);
  EXPECT_EQ(static_cast<int>(piece[1]), 6);
  EXPECT_THROW(file.read(file.at("a"), 3, piece), Error);
  EXPECT_THROW(file.read(file.at("a"), ~uint64_t{0}, piece), Error);
  TensorEntry foreign = file.at("b");
  foreign.end = 100;
  EXPECT_THROW(file.data(foreign), Error);
}

TEST_F(SafetensorsReader, UnknownTensorNamesTheNearest) {
  const SafetensorsFile file =
      open(raw_file("{" + tensor("conv_in.weight", "U8", "[1]", "[0,1]") + "}", 1));
  EXPECT_EQ(file.find("conv_in.weihgt"), nullptr);
  const std::string message = message_of([&] { file.at("conv_in.weihgt"); });
  EXPECT_NE(message.find("did you mean 'conv_in.weight'?"), std::string::npos) << message;
  EXPECT_NE(message.find(file.path().string()), std::string::npos) << message;
}

TEST_F(SafetensorsReader, BrokenBytesGiveErrorsAndNothingElse) {
  const std::string good =
      raw_file("{\"__metadata__\":{\"format\":\"pt\"}," + tensor("a", "F32", "[2,1]", "[0,8]") +
                   "," + tensor("b", "I64", "[1]", "[8,16]") + "}  ",
               16);
  std::mt19937 random(7);
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = good;
    for (size_t edits = 1 + random() % 3; edits > 0; --edits) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    try {
      const SafetensorsFile file = open(bytes);
      for (const TensorEntry& entry : file.entries()) {
        std::vector<std::byte> data(entry.bytes());
        file.read(entry, 0, data);
      }
    } catch (const Error& error) {
      EXPECT_GT(std::string(error.what()).size(), 20u);
    }
  }
}

TEST(DType, NamesRoundTripAndUnknownOnesAreRefused) {
  for (const char* name :
       {"BOOL", "U8",  "I8",  "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
        "I16",  "U16", "F16", "BF16",    "I32",     "U32",     "F32",         "I64",
        "U64",  "F64", "C64", "F4",      "F6_E2M3", "F6_E3M2"}) {
    EXPECT_STREQ(dtype_name(parse_dtype(name)), name);
  }
  EXPECT_EQ(dtype_bits(DType::kBF16), 16);
  EXPECT_EQ(dtype_bits(DType::kF4), 4);
  EXPECT_NE(message_of([] { parse_dtype("BF61"); }).find("'BF16'"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::safetensors_reader_test
