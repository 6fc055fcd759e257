// --device, the choice of an adapter core, and the parallel loop.
#include "src/device/device.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <atomic>
#include <vector>

#include "kernels/emulation/emulated_core.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/device/parallel_for.h"
#include "tests/support/fixtures.h"

namespace dorabooth::device_test {
namespace {

using testing::message_of;

bool has_driver() { return dlopen("libcuda.so.1", RTLD_NOW) != nullptr; }

TEST(DeviceRequest, ReadsTheFourForms) {
  using Kind = DeviceRequest::Kind;
  EXPECT_EQ(DeviceRequest::parse("auto").kind, Kind::kAuto);
  EXPECT_EQ(DeviceRequest::parse("cpu").kind, Kind::kCpu);
  EXPECT_EQ(DeviceRequest::parse("cuda").kind, Kind::kCuda);
  EXPECT_EQ(DeviceRequest::parse("cuda:3").kind, Kind::kCuda);
  EXPECT_EQ(DeviceRequest::parse("cuda:3").index, 3);
}

TEST(DeviceRequest, RefusesAnythingElseAsBadUsage) {
  for (const char* text : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "CPU", "cpu:0"}) {
    EXPECT_THROW(DeviceRequest::parse(text), UsageError) << text;
  }
  EXPECT_EQ(message_of([] { DeviceRequest::parse("gpu"); }),
            "--device gpu: want auto, cpu, cuda or cuda:N");
}

TEST(OpenDevice, CpuIsAlwaysThere) {
  EXPECT_EQ(open_device("cpu").text(), "cpu");
  EXPECT_EQ(torch_device(open_device("cpu")), at::Device(at::kCPU));
}

TEST(OpenDevice, WithoutADriverAutoIsTheCpuAndCudaIsOneSentence) {
  if (has_driver()) GTEST_SKIP() << "this machine has an NVIDIA driver";
  EXPECT_EQ(open_device("auto"), Device{});
  EXPECT_EQ(message_of([] { open_device("cuda"); }),
            "--device cuda: CUDA cannot be used: there is no NVIDIA driver (libcuda.so.1)");
}

TEST(AdapterCoreChoice, IsTheCpuTwinForCpuTensors) {
  EXPECT_STREQ(adapter_core(at::kCPU).name, "cpu");
  EXPECT_STREQ(adapter_core(at::kMeta).name, "meta");
}

TEST(AdapterCoreChoice, AScopeSetsAnotherForItsThreadAndPutsItBack) {
  {
    const AdapterCoreScope outer(emulated_core());
    EXPECT_STREQ(adapter_core(at::kCPU).name, "emulated");
    {
      const AdapterCoreScope inner(cpu_core());
      EXPECT_STREQ(adapter_core(at::kCPU).name, "cpu");
    }
    EXPECT_STREQ(adapter_core(at::kCPU).name, "emulated");
  }
  EXPECT_STREQ(adapter_core(at::kCPU).name, "cpu");
}

TEST(AdapterCoreChoice, CudaWithoutADeviceSaysWhatIsMissing) {
  if (has_driver()) GTEST_SKIP() << "this machine has an NVIDIA driver";
  EXPECT_NE(message_of([] { adapter_core(at::Device(at::kCUDA, 0)); }).find("libcuda.so.1"),
            std::string::npos);
}

TEST(TorchParallelFor, CoversTheRangeOnce) {
  std::vector<std::atomic<int>> visits(10007);
  const ParallelFor& loop = torch_parallel_for();
  loop.run(
      loop.context, 7, 10007, 100,
      [](void* state, int64_t first, int64_t last) {
        auto& counts = *static_cast<std::vector<std::atomic<int>>*>(state);
        for (int64_t i = first; i < last; ++i) ++counts[static_cast<size_t>(i)];
      },
      &visits);
  for (size_t i = 0; i < visits.size(); ++i) ASSERT_EQ(visits[i], i < 7 ? 0 : 1) << i;
}

}  // namespace
}  // namespace dorabooth::device_test
