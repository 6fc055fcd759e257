// Embeddings learned here encode prompts in diffusers as they do here. DORABOOTH_PEERS_PYTHON names
// the Python interpreter that has diffusers.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "pipelines/parts/embedding_stack.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/model/prompt_encoding.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::embedding_peers_test {
namespace {

constexpr int kPackageMissing = 77;

class EmbeddingPeers : public TrainingTest {
 protected:
  void SetUp() override {
    if (!std::getenv("DORABOOTH_PEERS_PYTHON")) {
      GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
    }
  }

  // prompt_embeds and pooled of the prompt with the embeddings, as a file.
  std::string encoded(const std::string& embedding, const std::string& prompt) const {
    const at::NoGradGuard no_grad;
    const SdxlBundle base = load_bundle(config_.pretrained_model_name_or_path, LoadOptions());
    const EmbeddingStack stack({parse_embedding_argument(embedding)}, base, Log());
    const auto scope = stack.attach(base);
    const PromptEmbeds embeds =
        encode_prompts(stack.with_tokens(base), {prompt}, LongPrompts::kCut, Log());
    const fs::path path = folder_.path() / "encoded.safetensors";
    write_tensors(path, {{"prompt_embeds", embeds.prompt_embeds}, {"pooled", embeds.pooled}}, {});
    return path.string();
  }
};

TEST_F(EmbeddingPeers, DiffusersEncodesPromptsTheSame) {
  config_.pretrained_model_name_or_path = fixture_path("tiny_sdxl").string();
  config_.instance_prompt = "a TOK icon of {caption}";
  config_.train_text_encoder_ti = true;
  config_.text_encoder_lr = 0.05;
  config_.max_train_steps = 2;
  const std::string embedding = train_into("out", config_).adapters.at(0).embedding;
  const std::string prompt = "a photo of <s0><s1>, glossy, in the rain";
  std::string command = concat("OMP_NUM_THREADS=1 '", std::getenv("DORABOOTH_PEERS_PYTHON"), "' '",
                               (source_dir() / "scripts/peers/check_embedding.py").string(), "'");
  for (const std::string& argument :
       {config_.pretrained_model_name_or_path, embedding, prompt, encoded(embedding, prompt)}) {
    command += " '" + argument + "'";
  }
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  const int status = WEXITSTATUS(pclose(pipe));
  if (status == kPackageMissing) GTEST_SKIP() << output;
  EXPECT_EQ(status, 0) << output;
  EXPECT_NE(output.find("diffusers itself pools a new token"), std::string::npos) << output;
}

}  // namespace
}  // namespace dorabooth::testing::embedding_peers_test
