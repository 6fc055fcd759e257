// The bundled small base through load_bundle, and the search for assets.
#include "src/model/bundle.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "src/model/assets.h"
#include "src/model/prompt_encoding.h"
#include "tests/support/fixtures.h"

namespace dorabooth::bundle_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

TEST(Assets, AreTheSourceTreesWhereNothingIsInstalled) {
  ::unsetenv("DORABOOTH_ASSETS");
  EXPECT_EQ(assets_folder(), testing::source_dir() / "assets");
  EXPECT_NE(message_of([] { asset_path("absent"); }).find("absent is missing"), std::string::npos);
}

TEST(Assets, MayBeNamedByTheEnvironment) {
  const testing::TemporaryFolder folder;
  ::setenv("DORABOOTH_ASSETS", folder.path().c_str(), 1);
  const fs::path found = assets_folder();
  ::unsetenv("DORABOOTH_ASSETS");
  EXPECT_EQ(found, folder.path());
}

TEST(Bundle, LoadsTheSmallBaseInEachDtype) {
  const at::NoGradGuard no_grad;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    LoadOptions options;
    options.dtype = dtype;
    const SdxlBundle bundle = load_bundle(asset_path("base"), options);
    EXPECT_EQ(bundle.vae_scale_factor, bundle.vae->config().downscale());
    EXPECT_EQ(bundle.default_size,
              bundle.unet->config().sample_size * bundle.vae->config().downscale());
    const PromptEmbeds embeds = encode_prompts(bundle, {"a red apple"}, LongPrompts::kCut, Log());
    EXPECT_EQ(embeds.prompt_embeds.scalar_type(), dtype);
    EXPECT_EQ(embeds.prompt_embeds.size(2), bundle.unet->config().cross_attention_dim);
    EXPECT_EQ(embeds.pooled.size(1), bundle.unet->config().pooled_features());
    for (const at::Tensor& parameter : bundle.vae->parameters()) {
      ASSERT_EQ(parameter.scalar_type(), at::kFloat);
    }
  }
}

TEST(Bundle, LoadsOnlyWhatIsAskedFor) {
  LoadOptions options;
  options.components = {Component::kUNet};
  const SdxlBundle bundle = load_bundle(asset_path("base"), options);
  EXPECT_NE(bundle.unet, nullptr);
  EXPECT_EQ(bundle.vae, nullptr);
  EXPECT_EQ(bundle.tokenizer, nullptr);
  EXPECT_NE(message_of([&] {
              encode_prompts(bundle, {"x"}, LongPrompts::kCut, Log());
            }).find("without both text encoders"),
            std::string::npos);
}

TEST(Bundle, ComponentsThatDoNotFitTogetherAreAnError) {
  const testing::TemporaryFolder folder;
  const fs::path base = folder.path() / "base";
  fs::copy(asset_path("base"), base, fs::copy_options::recursive);
  // Both encoders the same: their widths no longer add up to the UNet's.
  fs::remove_all(base / "text_encoder");
  fs::copy(base / "text_encoder_2", base / "text_encoder", fs::copy_options::recursive);
  const std::string message = message_of([&] { load_bundle(base, {}); });
  EXPECT_NE(message.find("cross_attention_dim"), message.npos) << message;
}

}  // namespace
}  // namespace dorabooth::bundle_test
