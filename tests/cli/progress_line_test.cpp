// What the progress line prints, on a terminal and into a file.
#include "ui/cli/progress_line.h"

#include <gtest/gtest.h>

#include <sstream>

namespace dorabooth::progress_line_test {
namespace {

StepEvent step_of(int64_t step) {
  StepEvent event;
  event.step = step;
  event.total = 100;
  event.values = {
      {"loss/lora", 0.08341}, {"loss/dora", 0.0831}, {"lr", 2e-3}, {"images_per_second", 3.25}};
  event.seconds_left = 112;
  return event;
}

TEST(ProgressLine, ShowsLossesStepSpeedAndTimeLeft) {
  EXPECT_EQ(step_text(step_of(40)),
            "loss lora 0.08341, dora 0.0831   40/100   lr 0.002   3.25 images/s   left 1:52");
}

TEST(ProgressLine, ShowsMemoryWhereTheEventHasIt) {
  StepEvent event = step_of(40);
  event.values.emplace_back("peak_memory_mb", 1843.2);
  EXPECT_NE(step_text(event).find("   1.9 GB   left"), std::string::npos) << step_text(event);
  event.values.emplace_back("peak_device_memory_mb", 20480);
  EXPECT_NE(step_text(event).find("   GPU 21.5 GB   1.9 GB   left"), std::string::npos)
      << step_text(event);
}

TEST(ProgressLine, SmoothsTheLossesExponentiallyAndCorrectsForTheStart) {
  SmoothedLosses losses;
  const auto loss_after = [&](double value) {
    StepEvent event;
    event.values = {{"loss/lora", value}, {"lr", value}};
    const StepEvent smooth = losses.take(event);
    EXPECT_EQ(smooth.values[1].second, value);
    return smooth.values[0].second;
  };
  EXPECT_DOUBLE_EQ(loss_after(4), 4);
  EXPECT_DOUBLE_EQ(loss_after(1), (0.9 * 4 + 1) / 1.9);
  EXPECT_DOUBLE_EQ(loss_after(2), (0.81 * 4 + 0.9 * 1 + 2) / 2.71);
}

// Steps between two drawings count too, and a run starts anew.
TEST(ProgressLine, ShowsTheSmoothedLoss) {
  std::ostringstream out;
  ProgressLine line(out, 0);
  const auto step = [&](int64_t number, double loss) {
    StepEvent event;
    event.step = number;
    event.total = 3;
    event.values = {{"loss", loss}};
    line.on(event);
  };
  line.on(StartedEvent{"train", 3});
  step(1, 4);
  step(2, 1);
  step(3, 2);
  EXPECT_NE(out.str().find("loss 2.266   3/3"), std::string::npos) << out.str();
  line.on(StartedEvent{"train", 3});
  step(1, 8);
  EXPECT_NE(out.str().find("loss 8   1/3"), std::string::npos) << out.str();
}

TEST(ProgressLine, WritesDurationsAsClocksDo) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(750), "12:30");
  EXPECT_EQ(duration_text(11100), "3:05:00");
  EXPECT_EQ(duration_text(-1), "0:00");
}

TEST(ProgressLine, IntoAFileItIsSparseAndHasNoControlCharacters) {
  std::ostringstream out;
  {
    ProgressLine line(out, 0);
    line.on(StartedEvent{"train", 100});
    for (int64_t step = 1; step <= 100; ++step) line.on(step_of(step));
  }
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(text.find("100/100"), std::string::npos);
}

TEST(ProgressLine, OnATerminalMessagesStandAboveIt) {
  std::ostringstream out;
  {
    ProgressLine line(out, 60);
    line.on(StartedEvent{"train", 100});
    line.on(step_of(1));
    line.on(LogEvent{LogLevel::kWarning, "a word"});
  }
  const std::string text = out.str();
  const size_t message = text.find("\r\033[Kwarning: a word\n");
  ASSERT_NE(message, std::string::npos);
  EXPECT_NE(text.find("\rtrain  [", message), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  std::ostringstream out;
  ProgressLine line(out, 30);
  line.on(step_of(1));
  const std::string text = out.str();
  EXPECT_LE(text.find("\033[K") - 1, 29u);
}

}  // namespace
}  // namespace dorabooth::progress_line_test
