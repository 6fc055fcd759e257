// SDXL's config has the old eos_token_id 2; the end of the text is pooled all the same where a
// prompt holds a token with a higher id.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/clip/clip_text_model.h"
#include "tests/nn/golden_model.h"
#include "tests/support/fixtures.h"

namespace dorabooth::added_embeddings_golden_test {
namespace {

using testing::fixture_json;
using testing::GoldenFile;

TEST(AddedEmbeddingsGolden, TheEndOfTheTextIsPooledUnderTheOldConfig) {
  const at::NoGradGuard no_grad;
  const std::string folder = "tiny_sdxl/text_encoder_2/";
  const ClipTextConfig config =
      ClipTextConfig::from_json(fixture_json(folder + "config.json"), folder);
  ASSERT_EQ(config.eos_token_id, 2);
  ClipTextModel model(config, at::kFloat);
  testing::load_golden_weights(model, folder + "model.safetensors", at::kFloat);
  const at::Tensor ids = GoldenFile("text_encoders.safetensors").at("te2.ids").slice(0, 0, 1);
  const ClipTextOutput own = model.forward(ids);
  at::Tensor with_added = ids.clone();
  with_added[0][2] = config.vocab_size;
  model.set_added_embeddings(model.token_table()[ids[0][2].item<int64_t>()].unsqueeze(0));
  const ClipTextOutput added = model.forward(with_added);
  EXPECT_TRUE(at::equal(added.penultimate, own.penultimate));
  EXPECT_TRUE(at::equal(added.text_embeds, own.text_embeds));
}

}  // namespace
}  // namespace dorabooth::added_embeddings_golden_test
