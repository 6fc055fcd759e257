// Jobs deliver, replace, fail and stop.
#include "pipelines/job.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace dorabooth::job_test {
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

TEST(Job, StepsWithValuesAreKeptAndNoStepComesBeforeItsStart) {
  Job job([](Progress& progress, std::stop_token) {
    for (int i = 1; i <= 3; ++i) progress.on(StepEvent{i, 3, {}, 0, 0});
    progress.on(StartedEvent{"train", 2});
    for (int i = 1; i <= 2; ++i) progress.on(StepEvent{i, 2, {{"loss", 0.5}}, 0, 0});
    return std::string();
  });
  const auto events = wait_and_drain(job);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(std::get<StepEvent>(events[0]).step, 3);
  EXPECT_EQ(std::get<StartedEvent>(events[1]).what, "train");
  EXPECT_EQ(std::get<StepEvent>(events[2]).step, 1);
  EXPECT_EQ(std::get<StepEvent>(events[3]).step, 2);
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

// Sends numbered steps until it is asked to stop, a millisecond apart.
std::string count_steps(Progress& progress, std::stop_token stop) {
  int64_t step = 0;
  while (!stop.stop_requested()) {
    progress.on(StepEvent{++step, 0, {}, 0, 0});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::to_string(step);
}

// The last step in the mailbox once no more comes; waits for the work to reach its next event.
int64_t settled_step(Job& job) {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  int64_t step = 0;
  for (const Event& event : job.drain()) step = std::get<StepEvent>(event).step;
  return step;
}

TEST(Job, APausedJobWaitsAndGoesOnWhereItWas) {
  Job job(count_steps);
  job.pause();
  EXPECT_TRUE(job.paused());
  const int64_t paused_at = settled_step(job);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(job.drain().empty());
  job.resume();
  EXPECT_FALSE(job.paused());
  // On a loaded machine its thread may be long in coming.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int64_t step = paused_at;
  while (step <= paused_at && std::chrono::steady_clock::now() < deadline) step = settled_step(job);
  EXPECT_GT(step, paused_at);
}

TEST(Job, StopEndsAPause) {
  Job job(count_steps);
  job.pause();
  settled_step(job);
  job.request_stop();
  const auto events = wait_and_drain(job);
  EXPECT_TRUE(std::holds_alternative<FinishedEvent>(events.back()));
}

TEST(Job, DestructionEndsAPause) {
  Job job(count_steps);
  job.pause();
}

TEST(Job, WorkAndTheThreadsItStartsAreNicerThanTheirMaker) {
  const int own = getpriority(PRIO_PROCESS, 0);
  int work = 0;
  int child = 0;
  Job job([&](Progress&, std::stop_token) {
    const auto nice_here = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
    work = nice_here();
    std::jthread([&] { child = nice_here(); }).join();
    return std::string();
  });
  wait_and_drain(job);
  EXPECT_EQ(work, std::min(own + 10, 19));
  EXPECT_EQ(child, work);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), own);
}

TEST(Job, WakesItsReaderOnlyWhenTheMailboxWasEmptyAndAtTheEnd) {
  std::atomic<int> wakes = 0;
  Job job(
      [](Progress& progress, std::stop_token) {
        for (int i = 0; i < 100; ++i) progress.on(SavedEvent{"a.png"});
        return std::string();
      },
      [&] { ++wakes; });
  while (!job.done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(wakes, 2);
}

}  // namespace
}  // namespace dorabooth::job_test
