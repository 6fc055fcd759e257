// Sums over two and three processes, which are threads here: each has its own group.
#include "src/device/process_group.h"

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <thread>

#include "src/base/error.h"
#include "src/device/lost_process.h"
#include "tests/support/fixtures.h"
#include "tests/support/free_port.h"

namespace dorabooth::process_group_test {
namespace {

using testing::message_of;

ProcessEnvironment environment_of(int rank, int size, int port) {
  ProcessEnvironment environment;
  environment.rank = environment.local_rank = rank;
  environment.size = environment.local_size = size;
  environment.master_address = "127.0.0.1";
  environment.master_port = port;
  environment.timeout = std::chrono::seconds(20);
  return environment;
}

// Runs `body` in every process of a group; what one throws is thrown again.
void in_processes(int size, const std::function<void(ProcessGroup&)>& body) {
  const int port = testing::free_port();
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> failures(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const auto group = ProcessGroup::join(environment_of(rank, size, port), at::kCPU);
        body(*group);
        group->barrier();
      } catch (...) {
        failures[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

TEST(ProcessGroup, OneProcessIsNone) {
  EXPECT_EQ(ProcessGroup::join(ProcessEnvironment{}, at::kCPU), nullptr);
}

TEST(ProcessGroup, AddsUpWithTheSameBitsEverywhere) {
  constexpr int kProcesses = 3;
  std::vector<at::Tensor> sums(kProcesses);
  in_processes(kProcesses, [&](ProcessGroup& group) {
    EXPECT_EQ(group.transport(), "Gloo");
    const int rank = group.rank();
    at::Tensor first = at::arange(1003, at::kFloat) * 0.1 + rank * 0.3;
    at::Tensor second = at::full({2, 2}, rank + 1.0, at::kFloat);
    // Two of them under way at once, waited for in another order.
    ProcessGroup::Sum one = group.begin_sum(first);
    ProcessGroup::Sum two = group.begin_sum(second);
    two.wait();
    one.wait();
    EXPECT_EQ(second.sum().item<float>(), 24.0f);
    EXPECT_EQ(group.traffic().sums, 2);
    EXPECT_EQ(group.traffic().bytes, (1003 + 4) * 4);
    sums[static_cast<size_t>(rank)] = first;
  });
  EXPECT_TRUE(at::allclose(sums[0], at::arange(1003, at::kFloat) * 0.3 + 0.9));
  EXPECT_TRUE(at::equal(sums[0], sums[1]));
  EXPECT_TRUE(at::equal(sums[0], sums[2]));
}

TEST(ProcessGroup, AgreesAndGathersTexts) {
  in_processes(2, [](ProcessGroup& group) {
    EXPECT_TRUE(group.any(group.rank() == 1));
    EXPECT_FALSE(group.any(false));
    const auto texts = group.gather("name", group.rank() == 0 ? "zero" : "");
    EXPECT_EQ(texts, (std::vector<std::string>{"zero", ""}));
  });
}

TEST(ProcessGroup, AProcessThatIsGoneIsNamedInOneSentence) {
  std::string said;
  const auto body = [&](ProcessGroup& group) {
    if (group.rank() == 1) fail("gone");
    at::Tensor tensor = at::ones({8});
    ProcessGroup::Sum sum = group.begin_sum(tensor);
    said = message_of([&] { sum.wait(); });
    fail("gone");
  };
  EXPECT_THROW(in_processes(2, body), Error);
  EXPECT_EQ(said, "process 1 of 2 was lost");
}

TEST(ProcessGroup, AMeetingThatNobodyElseComesToIsOneSentence) {
  ProcessEnvironment alone = environment_of(0, 2, testing::free_port());
  alone.timeout = std::chrono::seconds(1);
  const std::string said = message_of([&] { ProcessGroup::join(alone, at::kCPU); });
  EXPECT_TRUE(said.starts_with("process 0 of 2 cannot meet the others at 127.0.0.1:")) << said;
  EXPECT_EQ(said.find('\n'), std::string::npos) << said;
}

// Debian's Gloo has another layout than LibTorch's: a class of it that is made here would replace
// LibTorch's own.
TEST(ProcessGroup, TakesNoGlooClassFromDebiansHeaders) {
  void* table = dlsym(RTLD_DEFAULT, "_ZTVN4c10d16ProcessGroupGloo9GlooStoreE");
  ASSERT_NE(table, nullptr);
  Dl_info place{};
  ASSERT_NE(dladdr(table, &place), 0);
  EXPECT_NE(std::string(place.dli_fname).find("libtorch_cpu.so"), std::string::npos)
      << place.dli_fname;
}

TEST(LostProcess, IsFoundOnThisMachineByItsNumber) {
  ProcessEnvironment environment = environment_of(0, 3, 1);
  environment.timeout = std::chrono::seconds(600);
  const std::string here = place_of_this_process();
  const std::string machine = here.substr(0, here.rfind(' ') + 1);
  const std::string gone = machine + "999999999";
  const std::string closed =
      "[/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:3. This is typical";
  EXPECT_EQ(lost_process_text(closed, environment, {here, here, gone}), "process 2 of 3 was lost");
  EXPECT_EQ(lost_process_text(closed, environment, {here, gone, gone}),
            "processes 1, 2 of 3 were lost");
  EXPECT_EQ(lost_process_text(closed, environment, {here, here, "elsewhere 7"}),
            "one of the other 2 processes was lost");
  EXPECT_EQ(lost_process_text("[/gloo/x.cc:81] Timed out waiting 600000ms for recv", environment,
                              {here, here, here}),
            "one of the other 2 processes has not answered for 600 s (DORABOOTH_PROCESS_TIMEOUT)");
  environment.size = 2;
  EXPECT_EQ(lost_process_text("NCCL error: unhandled\nframe #0", environment, {here, here}),
            "process 1 of 2 was lost: NCCL error: unhandled");
}

}  // namespace
}  // namespace dorabooth::process_group_test
