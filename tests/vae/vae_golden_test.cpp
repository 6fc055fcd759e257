// The autoencoder against the reference's encoder, moments and decoder, tiling, and its parameters
// against the full-size model's key list.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/vae/autoencoder_kl.h"
#include "tests/nn/golden_model.h"
#include "tests/nn/meta_kernels.h"
#include "tests/support/fixtures.h"

namespace dorabooth::vae_golden_test {
namespace {

using testing::expect_close;
using testing::fixture_json;
using testing::GoldenFile;

constexpr double kAtol = 1e-4;
constexpr double kRtol = 1e-4;

VaeConfig golden_config(const std::string& base) {
  const std::string name = base + "/vae/config.json";
  return VaeConfig::from_json(fixture_json(name), name);
}

std::shared_ptr<AutoencoderKl> golden_vae(at::ScalarType dtype = at::kFloat) {
  auto vae = std::make_shared<AutoencoderKl>(golden_config("tiny_sdxl"), dtype);
  testing::load_golden_weights(*vae, "tiny_sdxl/vae/diffusion_pytorch_model.safetensors", dtype);
  return vae;
}

std::vector<std::string> cases(const GoldenFile& golden) {
  std::vector<std::string> names;
  const std::string ending = ".image";
  for (const auto& [name, value] : golden.all()) {
    if (name.ends_with(ending)) names.push_back(name.substr(0, name.size() - ending.size()));
  }
  return names;
}

TEST(VaeGolden, EncodeAndDecodeEqualTheReference) {
  const GoldenFile golden("vae.safetensors");
  const auto vae = golden_vae();
  const at::NoGradGuard no_grad;
  ASSERT_FALSE(cases(golden).empty());
  for (const std::string& name : cases(golden)) {
    const auto check = [&](const at::Tensor& value, const std::string& key) {
      expect_close(value, golden.at(name + "." + key), kAtol, kRtol, name + "." + key);
    };
    int shown = 0;
    vae->set_probe(nn::Probe([&](const std::string& module, const at::Tensor& value) {
      check(value, module == "encoder" ? "encoder_out" : "post_quant");
      ++shown;
    }));
    const Posterior posterior = vae->encode(golden.at(name + ".image"));
    check(posterior.moments, "moments");
    check(posterior.mean, "mean");
    check(posterior.logvar, "logvar");
    check(posterior.std, "std");
    const at::Tensor latents = posterior.sample(golden.at(name + ".noise"));
    check(latents, "latents");
    check(vae->config().scaling_factor * latents, "scaled_latents");
    check(vae->decode(golden.at(name + ".latents")), "decoded");
    EXPECT_EQ(shown, 2);
  }
}

TEST(VaeGolden, Bfloat16IsCloseToFloat32) {
  const GoldenFile golden("vae.safetensors");
  const auto vae = golden_vae(at::kBFloat16);
  const at::NoGradGuard no_grad;
  for (const std::string& name : cases(golden)) {
    const at::Tensor want = golden.at(name + ".decoded");
    const at::Tensor have = vae->decode(golden.at(name + ".latents"));
    ASSERT_EQ(have.scalar_type(), at::kBFloat16);
    EXPECT_LT(((have.to(at::kFloat) - want).norm() / want.norm()).item<double>(), 0.05) << name;
  }
}

// Away from a tile's borders tiled equals whole, but for the group norms and the attention, which
// see the tile's pixels only: nearly the same statistics in a picture that repeats itself.
TEST(VaeGolden, TiledEqualsWholeInTheInterior) {
  const GoldenFile golden("vae.safetensors");
  const auto vae = golden_vae();
  const at::NoGradGuard no_grad;
  const at::Tensor latents = golden.at(cases(golden)[0] + ".latents").slice(0, 0, 1);
  const int64_t period = std::min(latents.size(2), latents.size(3));
  const at::Tensor picture = latents.slice(2, 0, period).slice(3, 0, period).repeat({1, 1, 4, 5});
  const int64_t tile = 4 * period;
  const int64_t scale = vae->config().downscale();
  const auto difference = [&](const at::Tensor& tiled, const at::Tensor& whole, int64_t unit) {
    EXPECT_EQ(tiled.sizes(), whole.sizes());
    EXPECT_FALSE(at::equal(tiled, whole));
    const auto inside = [&](const at::Tensor& x) {
      return x.slice(2, tile * unit / 4, tile * unit / 2)
          .slice(3, tile * unit / 4, tile * unit / 2);
    };
    return ((inside(tiled) - inside(whole)).norm() / inside(whole).norm()).item<double>();
  };
  const at::Tensor whole = vae->decode(picture);
  const at::Tensor mean = vae->encode(whole.clamp(-1, 1)).mean;
  vae->set_tiling(tile * scale);
  EXPECT_LT(difference(vae->decode(picture), whole, scale), 0.1);
  EXPECT_LT(difference(vae->encode(whole.clamp(-1, 1)).mean, mean, 1), 0.1);
}

TEST(VaeGolden, PicturesWithinATileAreDoneWhole) {
  const GoldenFile golden("vae.safetensors");
  const auto vae = golden_vae();
  const at::NoGradGuard no_grad;
  const at::Tensor latents = golden.at(cases(golden)[0] + ".latents");
  const at::Tensor whole = vae->decode(latents);
  vae->set_tiling(4 * (std::max(latents.size(2), latents.size(3)) / 4 + 1) *
                  vae->config().downscale());
  EXPECT_TRUE(at::equal(vae->decode(latents), whole));
}

TEST(VaeGolden, FullSizeParametersAreTheKeyMaps) {
  const nlohmann::json keymap = fixture_json("single_file_keymap.json");
  const AutoencoderKl vae(golden_config("sdxl_base_config"), at::TensorOptions().device(at::kMeta));
  std::map<std::string, std::vector<int64_t>> want;
  for (const auto& row : keymap["map"]) {
    if (row[0] == "vae") want[row[1]] = row[2].get<std::vector<int64_t>>();
  }
  std::map<std::string, std::vector<int64_t>> have;
  int64_t count = 0;
  for (const auto& parameter : vae.named_parameters()) {
    have[parameter.key()] = parameter.value().sizes().vec();
    count += parameter.value().numel();
  }
  EXPECT_EQ(have, want);
  EXPECT_EQ(count, keymap["parameters"]["vae"].get<int64_t>());
}

// A tensor made on the CPU by mistake is an error here.
TEST(VaeGolden, RunsOnTheMetaDeviceInEveryDtype) {
  for (const char* base : {"tiny_sdxl", "sdxl_base_config"}) {
    const VaeConfig config = golden_config(base);
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const auto options = at::TensorOptions().device(at::kMeta).dtype(dtype);
      AutoencoderKl vae(config, options);
      const int64_t side = 8 * config.downscale();
      for (const bool tiled : {false, true}) {
        if (tiled) vae.set_tiling(side / 2);
        const Posterior posterior =
            vae.encode(at::empty({1, config.in_channels, side, side}, options));
        EXPECT_EQ(posterior.mean.sizes(), at::IntArrayRef({1, config.latent_channels, 8, 8}));
        const at::Tensor decoded = vae.decode(posterior.mean);
        EXPECT_TRUE(decoded.is_meta());
        EXPECT_EQ(decoded.scalar_type(), dtype);
        EXPECT_EQ(decoded.sizes(), at::IntArrayRef({1, config.out_channels, side, side}));
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::vae_golden_test
