// The validations of a shard index: names, existence, and every tensor in exactly the shard named.
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/tensorfile/index.h"
#include "tests/support/fixtures.h"
#include "tests/tensorfile/raw_file.h"

namespace dorabooth::shard_index_test {
namespace {

using testing::write_raw;

class ShardIndexTest : public ::testing::Test {
 protected:
  ShardIndexTest() {
    write_shard("model-1-of-2.safetensors", {"a", "b"});
    write_shard("model-2-of-2.safetensors", {"c"});
  }

  void write_shard(const std::string& file, const std::vector<std::string>& names) {
    std::vector<TensorEntry> tensors;
    for (const std::string& name : names) tensors.push_back({name, DType::kU8, {1}, 0, 0});
    SafetensorsWriter writer(folder_.path() / file, tensors, {});
    const std::byte value{7};
    for (const std::string& name : names) writer.write(name, 0, std::span(&value, 1));
    writer.finish();
  }

  std::filesystem::path write_index(const std::string& weight_map) {
    return write_raw(folder_.path() / "model.safetensors.index.json",
                     "{\"metadata\":{\"total_size\":3},\"weight_map\":" + weight_map + "}");
  }

  void expect_refused(const std::string& weight_map, const std::string& reason) {
    const auto path = write_index(weight_map);
    const std::string message = testing::message_of([&] { open_shards(read_shard_index(path)); });
    EXPECT_NE(message.find(reason), std::string::npos) << "want '" << reason << "' in: " << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }

  const std::string whole_ = R"({"a":"model-1-of-2.safetensors","b":"model-1-of-2.safetensors",)"
                             R"("c":"model-2-of-2.safetensors"})";
  testing::TemporaryFolder folder_;
};

TEST_F(ShardIndexTest, OpensTheShardsInOrder) {
  const ShardIndex index = read_shard_index(write_index(whole_));
  EXPECT_EQ(index.weight_map.size(), 3u);
  EXPECT_EQ(index.weight_map.at("c"), "model-2-of-2.safetensors");
  const auto shards = open_shards(index);
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_NE(shards[0]->find("b"), nullptr);
  EXPECT_NE(shards[1]->find("c"), nullptr);
}

// Found by fuzzing: JSON's parser has an error of its own for it.
TEST_F(ShardIndexTest, ANumberThatNoDoubleHoldsIsRefused) {
  expect_refused(R"({"a":6e9999})", "no double holds");
}

TEST_F(ShardIndexTest, ShardsCannotLeaveTheFolder) {
  for (const char* name : {"../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors",
                           "..\\\\x.safetensors", "x\\u0000.safetensors"}) {
    expect_refused(std::string(R"({"a":")") + name + "\"}", "a file name without a folder");
  }
}

TEST_F(ShardIndexTest, ShardsMustBeSafetensorsFilesThatExist) {
  expect_refused(R"({"a":"pytorch_model.bin"})", "is not a .safetensors file");
  expect_refused(R"({"a":".."})", "is not a .safetensors file");
  expect_refused(R"({"a":""})", "is not a .safetensors file");
  expect_refused(R"({"a":"model-3-of-2.safetensors"})", "is not in the folder");
  std::filesystem::create_directory(folder_.path() / "folder.safetensors");
  expect_refused(R"({"a":"folder.safetensors"})", "is not in the folder");
}

TEST_F(ShardIndexTest, TensorMustBeInItsShard) {
  expect_refused(R"({"a":"model-2-of-2.safetensors","b":"model-1-of-2.safetensors"})",
                 "tensor 'a' is not in its shard 'model-2-of-2.safetensors'");
  expect_refused(R"({"d":"model-2-of-2.safetensors"})", "tensor 'd' is not in its shard");
}

TEST_F(ShardIndexTest, TensorInTwoShardsIsRefused) {
  write_shard("model-2-of-2.safetensors", {"c", "a"});
  expect_refused(whole_, "tensor 'a' is in two shards");
  expect_refused(R"({"a":"model-1-of-2.safetensors","a":"model-2-of-2.safetensors"})",
                 "the key 'a' is there twice");
}

TEST_F(ShardIndexTest, WrongFormIsRefused) {
  expect_refused("[]", "an object 'weight_map'");
  expect_refused(R"({"a":1})", "the shard of tensor 'a' must be a file name");
  expect_refused(R"({"a":)", "not UTF-8 JSON");
  const auto path = write_raw(folder_.path() / "none.index.json", "[1]");
  EXPECT_NE(testing::message_of([&] { read_shard_index(path); }).find("weight_map"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::shard_index_test
