// FILE[:strength] and NAME=FILE[:strength].
#include "pipelines/adapter_argument.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace dorabooth::adapter_argument_test {
namespace {

TEST(AdapterArgument, SplitsTheStrengthOff) {
  const AdapterArgument with = parse_adapter_argument("runs/icon.safetensors:0.75");
  EXPECT_EQ(with.path, "runs/icon.safetensors");
  EXPECT_EQ(with.strength, 0.75);
  EXPECT_EQ(with.name, "icon");
  EXPECT_EQ(with.text(), "runs/icon.safetensors:0.75");
  const AdapterArgument without = parse_adapter_argument("odd:name.safetensors");
  EXPECT_EQ(without.path, "odd:name.safetensors");
  EXPECT_EQ(without.strength, 1.0);
  EXPECT_EQ(without.text(), "odd:name.safetensors");
}

TEST(AdapterArgument, TheUsualFileNameGivesItsFoldersName) {
  EXPECT_EQ(parse_adapter_argument("out/dora/pytorch_lora_weights.safetensors").name, "dora");
  EXPECT_EQ(parse_adapter_argument("out/dora/").name, "dora");
  EXPECT_EQ(parse_adapter_argument("out/v1.5").name, "v1.5");
}

TEST(AdapterArgument, TakesANameInFront) {
  const AdapterArgument named = parse_named_adapter("DoRA=out/dora:2");
  EXPECT_EQ(named.name, "DoRA");
  EXPECT_EQ(named.path, "out/dora");
  EXPECT_EQ(named.strength, 2.0);
  EXPECT_EQ(parse_named_adapter("out/a=b.safetensors").path, "out/a=b.safetensors");
  EXPECT_THROW(parse_named_adapter("=x"), UsageError);
  EXPECT_THROW(parse_adapter_argument(":0.5"), UsageError);
}

}  // namespace
}  // namespace dorabooth::adapter_argument_test
