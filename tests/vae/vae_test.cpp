// Tiling of pictures, the posterior, and what vae/config.json may say.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/vae/autoencoder_kl.h"
#include "src/vae/tiling.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::vae_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::message_of;

json small() {
  return {{"block_out_channels", {4, 8}},
          {"norm_num_groups", 2},
          {"layers_per_block", 1},
          {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
          {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
          {"sample_size", 16},
          {"scaling_factor", 1.0}};
}

std::string complaint(const char* key, const json& value) {
  json values = small();
  values[key] = value;
  return message_of([&] { VaeConfig::from_json(values, "vae/config.json"); });
}

// A function that treats every pixel alike must come out whole, whatever the tiles.
TEST(Tiling, JoinsTilesWithoutASeam) {
  const auto enlarge = [](const at::Tensor& tile) {
    return at::upsample_nearest2d(tile, {2 * tile.size(2), 2 * tile.size(3)});
  };
  const TileGrid grid{.tile = 8, .step = 6, .output_step = 12, .ramp = 4};
  for (const auto& [height, width] : {std::pair{20, 9}, {8, 25}, {18, 18}, {7, 13}}) {
    const at::Tensor x = at::randn({2, 3, height, width});
    expect_close(apply_tiled(x, grid, enlarge), enlarge(x), 1e-6, 1e-6, "tiled");
  }
}

TEST(Tiling, OverlapsFadeLinearly) {
  int calls = 0;
  const auto number = [&](const at::Tensor& tile) {
    return at::full_like(tile, static_cast<double>(calls++));
  };
  const TileGrid grid{.tile = 8, .step = 6, .output_step = 6, .ramp = 2};
  const at::Tensor y = apply_tiled(at::zeros({1, 1, 4, 12}), grid, number);
  const at::Tensor want = at::tensor({0., 0., 0., 0., 0., 0., 0., 0.5, 1., 1., 1., 1.});
  expect_close(y[0][0][2], want, 1e-6, 0, "row");
}

TEST(Posterior, ClampsTheLogVariance) {
  at::Tensor moments = at::zeros({1, 2, 1, 3});
  moments[0][0][0][1] = 5;
  moments[0][1][0][0] = 100;
  moments[0][1][0][1] = -100;
  const Posterior posterior(moments);
  EXPECT_EQ(posterior.logvar.max().item<double>(), 20);
  EXPECT_EQ(posterior.logvar.min().item<double>(), -30);
  const at::Tensor noise = at::ones({1, 1, 1, 3});
  EXPECT_NEAR(posterior.sample(noise)[0][0][0][1].item<double>(), 5 + std::exp(-15.0), 1e-5);
}

TEST(AutoencoderKl, OptionalPartsFollowTheConfig) {
  json values = small();
  values["use_quant_conv"] = false;
  values["use_post_quant_conv"] = false;
  values["mid_block_add_attention"] = false;
  const AutoencoderKl vae(VaeConfig::from_json(values, "c"), at::TensorOptions().device(at::kMeta));
  for (const auto& parameter : vae.named_parameters()) {
    EXPECT_EQ(parameter.key().find("quant_conv"), std::string::npos);
    EXPECT_EQ(parameter.key().find("attentions"), std::string::npos);
  }
  EXPECT_EQ(vae.config().downscale(), 2);
}

TEST(AutoencoderKl, WrongSizesAreRefused) {
  AutoencoderKl vae(VaeConfig::from_json(small(), "c"), at::TensorOptions().device(at::kMeta));
  const auto meta = at::TensorOptions().device(at::kMeta);
  EXPECT_NE(message_of([&] {
              vae.encode(at::empty({1, 3, 7, 8}, meta));
            }).find("[1,3,7,8]"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              vae.decode(at::empty({1, 9, 4, 4}, meta));
            }).find("[1,9,4,4]"),
            std::string::npos);
  EXPECT_NE(message_of([&] { vae.set_tiling(12); }).find("12"), std::string::npos);
}

TEST(VaeConfig, WhatIsNotComputedIsRefusedByName) {
  EXPECT_EQ(complaint("force_upcast", true), "");
  EXPECT_EQ(complaint("shift_factor", nullptr), "");
  const std::vector<std::pair<const char*, json>> wrong = {
      {"shift_factor", 0.1},
      {"latents_mean", {0.1, 0.2, 0.3, 0.4}},
      {"down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}},
      {"act_fn", "gelu"},
      {"norm_num_groups", 3},
      {"scaling_factor", 0},
      {"block_out_channels", {4, 8, 16}}};
  for (const auto& [key, value] : wrong) {
    EXPECT_NE(complaint(key, value).find(key), std::string::npos) << complaint(key, value);
  }
}

// Every parameter holds this number.
void fill(AutoencoderKl& vae, double value) {
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : vae.parameters()) parameter.fill_(value);
}

TEST(AutoencoderKl, IsMendedOnceWhereFiniteNumbersOverflow) {
  AutoencoderKl vae(VaeConfig::from_json(small(), "c"), at::TensorOptions());
  const at::Tensor picture = at::ones({1, 3, 16, 16});
  const at::Tensor latents = at::ones({1, 4, 8, 8});
  fill(vae, 1e30);
  int mended = 0;
  const auto mend = [&] {
    ++mended;
    fill(vae, 0.01);
  };
  vae.on_overflow(mend);
  // What came in was not finite: nothing to mend.
  EXPECT_FALSE(at::isfinite(vae.decode(latents / 0)).all().item<bool>());
  EXPECT_EQ(mended, 0);
  EXPECT_TRUE(at::isfinite(vae.decode(latents)).all().item<bool>());
  EXPECT_EQ(mended, 1);
  fill(vae, 1e30);
  EXPECT_FALSE(at::isfinite(vae.decode(latents)).all().item<bool>());
  EXPECT_EQ(mended, 1);

  vae.on_overflow(mend);
  EXPECT_TRUE(at::isfinite(vae.encode(picture).moments).all().item<bool>());
  EXPECT_EQ(mended, 2);
}

}  // namespace
}  // namespace dorabooth::vae_test
