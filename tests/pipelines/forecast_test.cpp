// What a run needs, known before it runs.
#include "pipelines/forecast.h"

#include "pipelines/parts/time_forecast.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::forecast_test {
namespace {

class Forecast : public TrainingTest {
 protected:
  RunForecast forecast(int64_t side = 1024) const {
    return forecast_run(config_, {side, side, 4, 4});
  }
};

TEST_F(Forecast, CountsTheAdaptersThatTrainingMakes) {
  config_.adapter = {"both", "vera:rank=16", "dvora:rank=16", "full:target_modules=*"};
  config_.train_text_encoder = true;
  config_.rank_pattern = {"*mid_block*=3"};
  const RunForecast expected = forecast();
  config_.max_train_steps = 1;
  train_into("out", config_);
  for (const auto& [name, count] : expected.trainable) {
    const std::string line = concat(" modules, ", count, " trainable parameters");
    const auto logs = recorder_.all<LogEvent>();
    EXPECT_TRUE(std::any_of(logs.begin(), logs.end(),
                            [&](const LogEvent& event) {
                              return event.text.starts_with(name + ": ") &&
                                     event.text.ends_with(line);
                            }))
        << name << " " << count;
  }
}

TEST_F(Forecast, EachSettingSavesWhatItIsFor) {
  config_.train_batch_size = 8;
  const double plain = forecast(512).memory.peak_mb;
  const auto with = [&](auto change) {
    const TrainConfig kept = config_;
    change(config_);
    const double mb = forecast(512).memory.peak_mb;
    config_ = kept;
    return mb;
  };
  EXPECT_LT(with([](TrainConfig& c) { c.gradient_checkpointing = true; }), plain);
  EXPECT_LT(with([](TrainConfig& c) { c.mixed_precision = "bf16"; }), plain);
  EXPECT_LT(with([](TrainConfig& c) { c.base_quantization = "nf4"; }), plain);
  EXPECT_GT(with([](TrainConfig& c) { c.train_batch_size = 24; }), 2 * plain);
  EXPECT_GT(with([](TrainConfig& c) { c.optimizer = "prodigy"; }), plain);
  const RunForecast both = forecast(512);
  EXPECT_LT(both.with_checkpointing_mb, both.without_checkpointing_mb);
}

TEST_F(Forecast, ARunThatDoesNotFitIsRefusedWithTheSmallestChange) {
  config_.resolution = 512;
  config_.train_batch_size = 8;
  // Of this process too, which grows a little from one question to the next.
  const RunForecast needed = forecast(512);
  config_.memory_limit_mb = static_cast<int64_t>(needed.memory.peak_mb) + 64;
  EXPECT_TRUE(forecast(512).fits());
  config_.memory_limit_mb =
      static_cast<int64_t>((needed.with_checkpointing_mb + needed.without_checkpointing_mb) / 2);
  EXPECT_EQ(forecast(512).smallest_change, "--gradient_checkpointing");
  const std::string refused = message_of([&] { train_into("out", config_); });
  EXPECT_NE(refused.find("--gradient_checkpointing"), std::string::npos) << refused;
  EXPECT_FALSE(fs::exists(folder_.path() / "out" / "metrics.jsonl"));
  config_.memory_limit_mb = 1;
  EXPECT_NE(message_of([&] { train_into("out", config_); }).find("no setting makes it fit"),
            std::string::npos);
}

TEST(TimeForecast, IsTheFasterProbesRateOverTheWorkThatIsLeft) {
  TimeForecast even(
      0, 10, [](int64_t) { return 1.0; }, 0.0);
  EXPECT_FALSE(even.add(0, 5.0));
  EXPECT_FALSE(even.add(1, 2.5));
  EXPECT_DOUBLE_EQ(*even.add(2, 2.0), 5.0 + 2.5 + 2.0 + 7 * 2.0);
  EXPECT_FALSE(even.add(3, 2.0));
  TimeForecast sized(
      4, 9, [](int64_t step) { return step % 2 == 0 ? 2.0 : 1.0; }, 7.0);
  sized.add(4, 4.0);
  sized.add(5, 1.0);
  EXPECT_DOUBLE_EQ(*sized.add(6, 3.0), 4.0 + 1.0 + 3.0 + 1.0 + 2.0 + 7.0);
}

}  // namespace
}  // namespace dorabooth::testing::forecast_test
