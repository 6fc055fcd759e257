// The base between comparisons, on the bundled one: kept, freed when asked to, and out of a
// training's way.
#include "ui/desktop/shell/kept_base.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "src/base/atomic_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::kept_base_e2e_test {
namespace {

namespace fs = std::filesystem;

class Ignored : public Progress {
 public:
  void on(const Event&) override {}
};

class KeptBaseTest : public ::testing::Test {
 protected:
  KeptBaseTest() {
    request_.pretrained_model_name_or_path = (source_dir() / "assets" / "base").string();
    request_.prompt = {"a sks icon of penguin"};
    request_.num_inference_steps = 1;
    request_.guidance_scale = 1;
    request_.height = request_.width = 64;
    request_.device = "cpu";
  }

  // The bytes of the picture.
  std::string draw(const std::string& name) {
    request_.output = (folder_.path() / name / "sheet.png").string();
    const CompareReport report = base_.draw(request_, progress_, {});
    return report.pictures.empty() ? "" : read_file(report.pictures[0]);
  }

  TemporaryFolder folder_;
  CompareRequest request_;
  Ignored progress_;
  KeptBase base_;
};

TEST_F(KeptBaseTest, IsKeptBetweenComparisonsUntilItIsReleased) {
  EXPECT_FALSE(base_.holds());
  const std::string first = draw("first");
  EXPECT_FALSE(first.empty());
  EXPECT_TRUE(base_.holds());
  EXPECT_EQ(draw("second"), first);
  base_.release();
  EXPECT_FALSE(base_.holds());
  EXPECT_EQ(draw("third"), first);
}

TEST_F(KeptBaseTest, ATrainingHasTheMemoryForItself) {
  draw("before");
  {
    const KeptBase::Pause pause(base_);
    EXPECT_FALSE(base_.holds());
    draw("meanwhile");
    EXPECT_FALSE(base_.holds());
  }
  draw("after");
  EXPECT_TRUE(base_.holds());
}

TEST_F(KeptBaseTest, AReleaseDoesNotWaitForAComparison) {
  draw("warm");
  request_.num_inference_steps = 200;
  std::stop_source stop;
  std::thread drawing([&] {
    request_.output = (folder_.path() / "long" / "sheet.png").string();
    base_.draw(request_, progress_, stop.get_token());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto start = std::chrono::steady_clock::now();
  base_.release();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  stop.request_stop();
  drawing.join();
  EXPECT_TRUE(base_.holds());
}

}  // namespace
}  // namespace dorabooth::testing::kept_base_e2e_test
