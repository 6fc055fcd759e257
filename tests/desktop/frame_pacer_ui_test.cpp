// When frames are drawn.
#include "ui/desktop/frame_pacer.h"

#include <gtest/gtest.h>

namespace dorabooth::frame_pacer_ui_test {
namespace {

int draw_all(FramePacer& pacer, double now) {
  int frames = 0;
  while (pacer.should_draw(now) && frames < 100) {
    pacer.on_drawn(now);
    ++frames;
  }
  return frames;
}

TEST(FramePacer, ThreeFramesAfterInputAndOneForTooltips) {
  FramePacer pacer;
  draw_all(pacer, 0);
  pacer.on_input(1);
  EXPECT_EQ(pacer.wait_seconds(1), 0);
  EXPECT_EQ(draw_all(pacer, 1), 3);
  EXPECT_EQ(draw_all(pacer, 1.3), 0);
  EXPECT_EQ(draw_all(pacer, 1.5), 1);
  EXPECT_EQ(draw_all(pacer, 100), 0);
  EXPECT_EQ(pacer.wait_seconds(100), FramePacer::kIdle);
}

TEST(FramePacer, AJobGetsAtMostTwentyFramesASecond) {
  FramePacer pacer;
  draw_all(pacer, 0);
  int frames = 0;
  for (double now = 10; now < 12; now += 0.001) {
    pacer.on_change();
    frames += draw_all(pacer, now);
  }
  EXPECT_LE(frames, 41);
  EXPECT_GE(frames, 38);
  pacer.on_change();
  EXPECT_LE(pacer.wait_seconds(12), FramePacer::kJobInterval);
}

TEST(FramePacer, AnIconifiedWindowIsNotDrawn) {
  FramePacer pacer;
  pacer.set_iconified(true);
  pacer.on_input(1);
  pacer.on_change();
  EXPECT_FALSE(pacer.should_draw(1));
  EXPECT_EQ(pacer.wait_seconds(1), FramePacer::kIdle);
  pacer.set_iconified(false);
  EXPECT_TRUE(pacer.should_draw(2));
}

}  // namespace
}  // namespace dorabooth::frame_pacer_ui_test
