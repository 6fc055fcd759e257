// The axis of DoRA's magnitudes by spelling, shape and neighbours.
#include "src/adapter/magnitude_axis.h"

#include <gtest/gtest.h>

#include "tests/support/fixtures.h"

namespace dorabooth::testing::magnitude_axis_test {
namespace {

constexpr int64_t kOut = 6;
constexpr int64_t kIn = 4;
const std::map<std::string, std::string> kNoMetadata;

AxisEvidence scale_axis(std::vector<int64_t> shape, int64_t out = kOut, int64_t in = kIn) {
  return axis_evidence("key.dora_scale", AdapterRole::kDoraScale, shape, out, in);
}

AxisEvidence vector_axis(std::vector<int64_t> shape, int64_t out = kOut, int64_t in = kIn) {
  return axis_evidence("key.lora_magnitude_vector", AdapterRole::kMagnitudeVector, shape, out, in);
}

TEST(MagnitudeAxis, TheSideThatIsOneDecides) {
  EXPECT_EQ(scale_axis({kOut, 1}), false);
  EXPECT_EQ(scale_axis({kOut, 1, 1, 1}), false);
  EXPECT_EQ(scale_axis({1, kIn}), true);
  EXPECT_EQ(scale_axis({1, kIn, 1, 1}), true);
  EXPECT_EQ(scale_axis({kIn, 1}, kIn, kIn), false);
  EXPECT_EQ(scale_axis({1, kIn}, kIn, kIn), true);
}

TEST(MagnitudeAxis, AVectorIsDecidedByItsLength) {
  EXPECT_EQ(scale_axis({kOut}), false);
  EXPECT_EQ(scale_axis({kIn}), true);
  EXPECT_EQ(scale_axis({kIn}, kIn, kIn), std::nullopt);
  EXPECT_EQ(vector_axis({kOut}), false);
  EXPECT_EQ(vector_axis({1, kOut, 1, 1}), false);
}

TEST(MagnitudeAxis, AShapeThatFitsNoAxisIsRefused) {
  for (const auto& shape : std::vector<std::vector<int64_t>>{
           {}, {kOut + 1}, {kIn, 1}, {1, kOut}, {kOut, kIn}, {1, 1}, {0}}) {
    const std::string message = message_of([&] { scale_axis(shape); });
    EXPECT_NE(message.find("key.dora_scale"), std::string::npos) << message;
  }
}

TEST(MagnitudeAxis, SquareLayersFollowTheOthersOfTheirFile) {
  AxisDecision axis;
  axis.add("square", AdapterRole::kDoraScale, std::nullopt);
  axis.add("other", AdapterRole::kDoraScale, true);
  EXPECT_TRUE(axis.is_input(kNoMetadata));
}

TEST(MagnitudeAxis, TwoAxesInOneFileAreRefused) {
  AxisDecision axis;
  axis.add("rows", AdapterRole::kDoraScale, false);
  EXPECT_NE(message_of([&] { axis.add("columns", AdapterRole::kDoraScale, true); }).find("rows"),
            std::string::npos);
}

TEST(MagnitudeAxis, UndecidedPeftVectorsAreOutputAxis) {
  AxisDecision axis;
  axis.add("square", AdapterRole::kMagnitudeVector, std::nullopt);
  EXPECT_FALSE(axis.is_input(kNoMetadata));
}

TEST(MagnitudeAxis, UndecidedDoraScalesFollowTheHeaderOrAreRefused) {
  AxisDecision axis;
  axis.add("square", AdapterRole::kDoraScale, std::nullopt);
  EXPECT_TRUE(axis.is_input({{"ss_network_args", R"({"wd_on_output": "False"})"}}));
  EXPECT_FALSE(axis.is_input({{"ss_network_args", R"({"wd_on_output": true})"}}));
  for (const char* args : {"{}", "not json", "[1]", R"({"wd_on_output": 3})"}) {
    EXPECT_NE(message_of([&] {
                axis.is_input({{"ss_network_args", args}});
              }).find("wd_on_output"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace dorabooth::testing::magnitude_axis_test
