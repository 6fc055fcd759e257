// The training side of the noise schedule against the golden data, with and without zero terminal
// SNR.
#include "src/scheduler/noise_schedule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::noise_schedule_golden_test {
namespace {

using testing::expect_close;
using testing::expect_close_to_largest;
using testing::GoldenFile;

// The signal-to-noise ratio of the last tenth of the timesteps is compared with rtol 1e-4: a last
// bit of alphas_cumprod weighs that much. After the rescaling the first ones are as sensitive,
// where alphas_cumprod itself has other bits than the reference: it went through torch's vector
// square root, whose last bit depends on the vendor of the CPU, and a difference.
void check_schedule(const Ddpm& ddpm, const std::string& suffix) {
  const GoldenFile golden("schedulers.safetensors");
  expect_close(1 - ddpm.betas(), 1 - golden.at("train.betas" + suffix), 0, 1e-5,
               "1 - betas" + suffix);
  expect_close(ddpm.alphas_cumprod(), golden.at("train.alphas_cumprod" + suffix), 0, 1e-5,
               "alphas_cumprod" + suffix);
  const bool same_bits =
      at::equal(ddpm.alphas_cumprod(), golden.at("train.alphas_cumprod" + suffix));
  const bool other_square_root = suffix == "_zsnr" && !same_bits;
  const int64_t early = other_square_root ? 0 : ddpm.num_train_timesteps() * 9 / 10;
  const at::Tensor snr = golden.at("train.snr" + suffix);
  expect_close(ddpm.snr().slice(0, 0, early), snr.slice(0, 0, early), 0, 1e-5, "snr" + suffix);
  expect_close(ddpm.snr().slice(0, early), snr.slice(0, early), 0, 1e-4, "late snr" + suffix);

  const at::Tensor x0 = golden.at("train.x0");
  const at::Tensor noise = golden.at("train.noise");
  const at::Tensor timesteps = golden.at("train.timesteps");
  expect_close_to_largest(ddpm.add_noise(x0, noise, timesteps), golden.at("train.noisy" + suffix),
                          1e-5, "noisy" + suffix);
  expect_close_to_largest(ddpm.velocity(x0, noise, timesteps), golden.at("train.velocity" + suffix),
                          1e-5, "velocity" + suffix);
  EXPECT_TRUE(at::equal(ddpm.snr(timesteps), ddpm.snr().index_select(0, timesteps)));
}

TEST(NoiseScheduleGolden, TablesNoisySamplesAndVelocities) {
  const nlohmann::json base = testing::fixture_json("schedulers.json").at("base");
  check_schedule(Ddpm(parse_scheduler_config(base, "base")), "");
}

TEST(NoiseScheduleGolden, ZeroTerminalSnr) {
  const nlohmann::json base = testing::fixture_json("schedulers.json").at("base");
  SchedulerConfig config = parse_scheduler_config(base, "base");
  config.rescale_betas_zero_snr = true;
  check_schedule(Ddpm(config), "_zsnr");
}

}  // namespace
}  // namespace dorabooth::noise_schedule_golden_test
