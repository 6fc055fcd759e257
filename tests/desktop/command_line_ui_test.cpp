// The command that a form stands for, read back by the field list.
#include "ui/desktop/command_line.h"

#include <gtest/gtest.h>

#include "pipelines/compare.h"
#include "pipelines/train.h"
#include "ui/desktop/curves.h"

namespace dorabooth::command_line_ui_test {
namespace {

std::string text_of(const TrainConfig& config) {
  const TrainConfig defaults;
  return command_text("train", train_fields(), &config, &defaults);
}

TEST(CommandLine, DefaultsAreLeftOut) { EXPECT_EQ(text_of({}), "dorabooth train"); }

TEST(CommandLine, WordsAreQuotedForAShell) {
  TrainConfig config;
  config.instance_prompt = "ann's {caption}";
  EXPECT_EQ(text_of(config), "dorabooth train --instance_prompt 'ann'\\''s {caption}'");
  config.instance_prompt = "";
  EXPECT_EQ(text_of(config), "dorabooth train --instance_prompt ''");
}

TEST(CommandLine, BooleansListsAndNumbers) {
  TrainConfig config;
  config.adapter = {"lora", "dora:rank=8"};
  config.center_crop = true;
  config.learning_rate = 2e-3;
  config.prodigy_safeguard_warmup = false;
  EXPECT_EQ(text_of(config),
            "dorabooth train --center_crop --adapter lora --adapter dora:rank=8 "
            "--learning_rate 0.002 --prodigy_safeguard_warmup false");
  CompareRequest request;
  request.seed = {0, 1};
  const CompareRequest defaults;
  EXPECT_EQ(command_text("compare", compare_fields(), &request, &defaults),
            "dorabooth compare --seed 0,1");
}

TEST(Curves, SmoothingStartsAtTheFirstValueAndFollows) {
  EXPECT_EQ(smoothed({4, 4, 4}, 0.9), (std::vector<double>{4, 4, 4}));
  const auto values = smoothed({0, 1}, 0.5);
  EXPECT_DOUBLE_EQ(values[1], 1 / 1.5);
  EXPECT_EQ(smoothed({1, 2}, 0), (std::vector<double>{1, 2}));
}

TEST(Curves, ThinningKeepsTheLastPoint) {
  Curve curve;
  for (int i = 0; i < 1001; ++i) {
    curve.steps.push_back(i);
    curve.values.push_back(2 * i);
  }
  const Curve thin = thinned(curve, 100);
  EXPECT_LE(thin.values.size(), 100u);
  EXPECT_GE(thin.values.size(), 80u);
  EXPECT_EQ(thin.steps.back(), 1000);
  EXPECT_EQ(thin.values.back(), 2000);
}

}  // namespace
}  // namespace dorabooth::command_line_ui_test
