// The small base's presets train, and the scripts' own command lines are taken, by the built
// program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace dorabooth::testing::presets_e2e_test {
namespace {

namespace fs = std::filesystem;

class SmallPreset : public ::testing::TestWithParam<std::string> {};

TEST_P(SmallPreset, Trains) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"train", "--config", "configs/" + GetParam() + ".json", "--max_train_steps", "2",
           "--device", "cpu", "--output_dir", folder.path().string()});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  for (const char* adapter : {"lora", "dora"})
    EXPECT_TRUE(fs::exists(folder.path() / adapter / "pytorch_lora_weights.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Presets, SmallPreset, ::testing::Values("style_small", "subject_small"));

nlohmann::json config_of(std::vector<std::string> words) {
  words.insert(words.begin(), "train");
  words.emplace_back("--print_config");
  const Outcome outcome = run(words);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  return nlohmann::json::parse(outcome.out, nullptr, false);
}

// examples/dreambooth/README_sdxl.md, with its options for less memory.
TEST(ScriptCommand, OfTheGuideIsTaken) {
  const nlohmann::json config = config_of({"--pretrained_model_name_or_path=sdxl-base",
                                           "--instance_data_dir=dog",
                                           "--pretrained_vae_model_name_or_path=sdxl-vae-fp16-fix",
                                           "--output_dir=lora-trained-xl",
                                           "--mixed_precision=fp16",
                                           "--instance_prompt=a photo of sks dog",
                                           "--resolution=1024",
                                           "--train_batch_size=1",
                                           "--gradient_accumulation_steps=4",
                                           "--learning_rate=1e-4",
                                           "--report_to=wandb",
                                           "--lr_scheduler=constant",
                                           "--lr_warmup_steps=0",
                                           "--max_train_steps=500",
                                           "--validation_prompt=A photo of sks dog in a bucket",
                                           "--validation_epochs=25",
                                           "--seed=0",
                                           "--push_to_hub",
                                           "--enable_xformers_memory_efficient_attention",
                                           "--gradient_checkpointing",
                                           "--use_8bit_adam",
                                           "--use_dora"});
  EXPECT_EQ(config["pretrained_vae_model_name_or_path"], "sdxl-vae-fp16-fix");
  EXPECT_EQ(config["validation_epochs"], 25);
  EXPECT_EQ(config["use_dora"], true);
}

// examples/advanced_diffusion_training/README.md, with its folder and caption column.
TEST(ScriptCommand, OfTheAdvancedGuideIsTaken) {
  const nlohmann::json config = config_of(
      {"--pretrained_model_name_or_path=sdxl-base",
       "--dataset_name=assets/pictures/train",
       "--instance_prompt=3d icon in the style of TOK",
       "--validation_prompt=a TOK icon of an astronaut riding a horse, in the style of TOK",
       "--output_dir=3d-icon-SDXL-LoRA",
       "--caption_column=text",
       "--mixed_precision=bf16",
       "--resolution=1024",
       "--train_batch_size=3",
       "--repeats=1",
       "--report_to=wandb",
       "--gradient_accumulation_steps=1",
       "--gradient_checkpointing",
       "--learning_rate=1.0",
       "--text_encoder_lr=1.0",
       "--optimizer=prodigy",
       "--snr_gamma=5.0",
       "--lr_scheduler=constant",
       "--lr_warmup_steps=0",
       "--rank=8",
       "--max_train_steps=1000",
       "--checkpointing_steps=2000",
       "--seed=0",
       "--push_to_hub",
       "--train_text_encoder_ti",
       "--train_text_encoder_ti_frac=0.5"});
  EXPECT_EQ(config["instance_data_dir"], "assets/pictures/train");
  EXPECT_EQ(config["optimizer"], "prodigy");
  EXPECT_EQ(config["train_text_encoder_ti"], true);
}

TEST(ScriptCommand, NotesOnWhatIsNotUsedAreSaid) {
  const Outcome outcome = run({"train", "--print_config", "--push_to_hub", "--cache_latents"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.errors.find("note: --push_to_hub: not used"), std::string::npos);
  EXPECT_NE(outcome.errors.find("note: --cache_latents: not used"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::presets_e2e_test
