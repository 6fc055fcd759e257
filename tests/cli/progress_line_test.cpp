// What the progress line prints, on a terminal and into a file.
#include "ui/cli/progress_line.h"

#include <gtest/gtest.h>

#include <sstream>

namespace dorabooth {
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
}  // namespace dorabooth
