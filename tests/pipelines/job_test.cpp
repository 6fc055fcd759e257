// Jobs deliver, replace, fail and stop.
#include "pipelines/job.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace dorabooth {
namespace {

std::vector<Event> wait_and_drain(Job& job) {
  while (!job.done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return job.drain();
}

TEST(Job, DeliversEventsInOrderAndTheSummaryLast) {
  Job job([](Progress& progress, std::stop_token) {
    progress.on(StartedEvent{"sample", 2});
    progress.on(SavedEvent{"a.png"});
    return std::string("2 pictures");
  });
  const auto events = wait_and_drain(job);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(std::get<StartedEvent>(events[0]).total, 2);
  EXPECT_EQ(std::get<SavedEvent>(events[1]).path, "a.png");
  EXPECT_EQ(std::get<FinishedEvent>(events[2]).summary, "2 pictures");
}

TEST(Job, AnExceptionBecomesAFailedEvent) {
  Job job([](Progress&, std::stop_token) -> std::string { throw std::runtime_error("disk full"); });
  const auto events = wait_and_drain(job);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<FailedEvent>(events[0]).message, "disk full");
}

TEST(Job, AnUnreadPreviewOfACellIsReplaced) {
  Job job([](Progress& progress, std::stop_token) {
    for (int i = 0; i < 100; ++i) {
      progress.on(PreviewEvent{0, i % 2, "", "", Image(1, 1, static_cast<uint8_t>(i))});
      progress.on(StepEvent{i, 100, {}, 0, 0});
    }
    return std::string();
  });
  const auto events = wait_and_drain(job);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(std::get<PreviewEvent>(events[0]).image.rgb_hwc[0], 98);
  EXPECT_EQ(std::get<StepEvent>(events[1]).step, 99);
  EXPECT_EQ(std::get<PreviewEvent>(events[2]).image.rgb_hwc[0], 99);
}

TEST(Job, StopsItsWorkWhenAskedTo) {
  Job job([](Progress&, std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::yield();
    return std::string("stopped");
  });
  job.request_stop();
  const auto events = wait_and_drain(job);
  EXPECT_EQ(std::get<FinishedEvent>(events.back()).summary, "stopped");
}

}  // namespace
}  // namespace dorabooth
