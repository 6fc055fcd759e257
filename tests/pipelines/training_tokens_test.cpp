// Pivotal tuning: new tokens learned beside an adapter, their file, and their use.
#include <map>

#include "pipelines/evaluate.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/model/embedding_file.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_tokens_test {
namespace {

class TrainingTokens : public TrainingTest {
 protected:
  TrainingTokens() {
    config_.train_text_encoder_ti = true;
    config_.train_text_encoder_ti_frac = 1.0;
    config_.instance_prompt = "a TOK icon of {caption}";
    config_.text_encoder_lr = 0.02;
  }

  fs::path embedding_path(const std::string& run, const std::string& inside = "") const {
    const std::string name = fs::path(run).begin()->string() + "_emb.safetensors";
    return folder_.path() / run / inside / name;
  }
  std::string embedding_bytes(const std::string& run, const std::string& inside = "") const {
    return read_file(embedding_path(run, inside));
  }
  EmbeddingFile rows(const std::string& run, const std::string& inside = "") const {
    return read_embedding_file(embedding_path(run, inside), Log());
  }

  // Of the training pictures, by the base with the run's embeddings and no adapter.
  double loss_with(const std::string& run) const {
    EvaluateRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.instance_data_dir = config_.instance_data_dir;
    request.instance_prompt = "a <s0><s1> icon of {caption}";
    request.embedding = {embedding_path(run).string()};
    request.resolution = 64;
    request.device = "cpu";
    Recorder recorder;
    return evaluate(request, recorder, {}).rows.at(0).loss;
  }

  // Runs of 4 steps whose tokens stop after 2, stopped after each of `steps` and resumed.
  void expect_resumed_equals_whole(const std::vector<int64_t>& steps) {
    config_.train_text_encoder_ti_frac = 0.5;
    train_into("whole", config_);
    for (const int64_t step : steps) {
      SCOPED_TRACE(step);
      train_into("parts", config_, step);
      TrainConfig again = config_;
      again.resume_from_checkpoint = "latest";
      train_into("parts", again);
      EXPECT_EQ(warnings(), std::vector<std::string>());
      EXPECT_TRUE(adapter_bytes("whole") == adapter_bytes("parts"));
      EXPECT_TRUE(embedding_bytes("whole") == embedding_bytes("parts"));
      EXPECT_EQ(metrics("whole"), metrics("parts"));
      fs::remove_all(folder_.path() / "parts");
    }
  }

  void expect_refused(const TrainConfig& config, const std::string& reason) {
    const std::string message = message_of([&] { train_into("refused", config); });
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  }
};

TEST_F(TrainingTokens, TheEmbeddingsLieBesideTheAdapter) {
  config_.instance_prompt = "a TOK icon of {caption}, OTHER";
  config_.token_abstraction = {"TOK, OTHER"};
  config_.num_new_tokens_per_abstraction = 3;
  const TrainReport report = train_into("out", config_);
  EXPECT_EQ(report.adapters.at(0).embedding, embedding_path("out").string());
  EXPECT_TRUE(fs::exists(embedding_path("out", "checkpoint-4")));
  EXPECT_EQ(embedding_bytes("out"), embedding_bytes("out", "checkpoint-4"));
  const EmbeddingFile file = rows("out");
  EXPECT_EQ(file.placeholders,
            (std::vector<std::string>{"<s0>", "<s1>", "<s2>", "<s3>", "<s4>", "<s5>"}));
  EXPECT_EQ(file.rows.clip_l.sizes(), (std::vector<int64_t>{6, 64}));
  EXPECT_EQ(file.rows.clip_g.sizes(), (std::vector<int64_t>{6, 128}));
  const auto metadata = SafetensorsFile(embedding_path("out")).metadata();
  EXPECT_NE(metadata.at("dorabooth").find(R"("OTHER":"<s3><s4><s5>")"), std::string::npos);
  EXPECT_EQ(metadata.at("modelspec.trigger_phrase"),
            "a <s0><s1><s2> icon of {caption}, <s3><s4><s5>");
  const SafetensorsFile adapter(report.adapters.at(0).path);
  for (const TensorEntry& entry : adapter.entries()) {
    EXPECT_TRUE(entry.name.starts_with("unet.")) << entry.name;
  }
}

// The UNet's adapter stays at zero: what is gained is the embeddings'.
TEST_F(TrainingTokens, TrainingLowersTheLoss) {
  config_.learning_rate = 0.0;
  config_.text_encoder_lr = 0.0;
  config_.max_train_steps = 1;
  train_into("first", config_);
  config_.text_encoder_lr = 0.05;
  config_.train_batch_size = 2;
  config_.max_train_steps = 20;
  train_into("learned", config_);
  EXPECT_LT(loss_with("learned"), 0.99 * loss_with("first"));
}

// With a learning rate of 0 each step multiplies all rows by one factor.
TEST_F(TrainingTokens, RowsAreDrawnTowardsTheTablesSpread) {
  config_.text_encoder_lr = 0.0;
  config_.initializer_concept = "red apple";
  config_.max_train_steps = 3;
  train_into("out", config_);
  const SdxlBundle base = load_bundle(base_path(), LoadOptions());
  const TokenEmbeddings first = token_embeddings_of(base, "red apple", 2);
  const TokenEmbeddings last = rows("out").rows;
  for (const auto& [before, after, table] :
       {std::tuple(first.clip_l, last.clip_l, token_table_std(*base.text_encoder)),
        std::tuple(first.clip_g, last.clip_g, token_table_std(*base.text_encoder_2))}) {
    const double spread = before.std().item<double>();
    // The distance in the logarithm shrinks to 0.9 of it a step.
    const double factor = std::pow(table / spread, 1.0 - std::pow(0.9, 3));
    EXPECT_NE(factor, 1.0);
    EXPECT_TRUE(at::allclose(after, before * factor, 1e-5, 1e-7));
  }
}

TEST_F(TrainingTokens, AnInitializerDecidesTheNumberOfTokens) {
  config_.initializer_concept = "red apple icon";
  config_.max_train_steps = 1;
  train_into("out", config_);
  EXPECT_EQ(rows("out").placeholders.size(), 3u);
}

TEST_F(TrainingTokens, NothingOfThemChangesAfterTheirShareOfTheSteps) {
  config_.train_text_encoder_ti_frac = 0.5;
  config_.checkpointing_steps = 1;
  for (const char* optimizer : {"adamw", "adamw_schedule_free"}) {
    SCOPED_TRACE(optimizer);
    config_.optimizer = optimizer;
    train_into("out", config_);
    EXPECT_FALSE(embedding_bytes("out", "checkpoint-1") == embedding_bytes("out", "checkpoint-2"));
    const EmbeddingFile stopped = rows("out", "checkpoint-2");
    EXPECT_TRUE(at::equal(rows("out").rows.clip_l, stopped.rows.clip_l));
    EXPECT_TRUE(at::equal(rows("out").rows.clip_g, stopped.rows.clip_g));
    EXPECT_FALSE(bytes("out/checkpoint-2/pytorch_lora_weights.safetensors") == adapter_bytes("out"))
        << "the UNet's adapter goes on";
    fs::remove_all(folder_.path() / "out");
  }
}

TEST_F(TrainingTokens, AResumedRunEndsInTheSameBytes) { expect_resumed_equals_whole({1, 2, 3}); }

TEST_F(TrainingTokens, AResumedRunOfProdigyEndsInTheSameBytes) {
  config_.optimizer = "prodigy";
  config_.learning_rate = 1.0;
  expect_resumed_equals_whole({1});
}

TEST_F(TrainingTokens, AResumedRunWithAveragesEndsInTheSameBytes) {
  config_.optimizer = "adamw_schedule_free";
  expect_resumed_equals_whole({3});
}

TEST_F(TrainingTokens, ATwinRunIsItsSingleRuns) {
  config_.train_text_encoder_ti_frac = 0.5;
  config_.adapter = {"both"};
  train_into("twin", config_);
  for (const std::string kind : {"lora", "dora"}) {
    config_.adapter = {kind};
    train_into(kind, config_);
    EXPECT_TRUE(adapter_bytes("twin/" + kind) == adapter_bytes(kind));
    EXPECT_TRUE(embedding_bytes("twin", kind) == embedding_bytes(kind));
  }
  EXPECT_FALSE(embedding_bytes("lora") == embedding_bytes("dora"));
}

TEST_F(TrainingTokens, OtherNumbersLearnToo) {
  for (const char* precision : {"bf16", "fp16"}) {
    config_.mixed_precision = precision;
    config_.use_ema = std::string(precision) == "fp16";
    train_into(precision, config_);
    const EmbeddingFile file = rows(precision);
    EXPECT_TRUE(at::isfinite(file.rows.clip_g).all().item<bool>());
  }
  EXPECT_FALSE(embedding_bytes("bf16") == embedding_bytes("fp16"));
}

TEST_F(TrainingTokens, SampleDrawsWhatThePreviewShowed) {
  config_.learning_rate = 0.01;
  config_.validation_prompt = {"a TOK icon of rabbit"};
  config_.num_validation_images = 1;
  config_.validation_inference_steps = 3;
  const TrainReport report = train_into("out", config_);
  SampleRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {report.adapters.at(0).path};
  request.embedding = {report.adapters.at(0).embedding};
  request.prompt = {"a <s0><s1> icon of rabbit"};
  request.num_inference_steps = 3;
  request.guidance_scale = config_.validation_guidance_scale;
  request.height = request.width = 64;
  request.device = "cpu";
  const auto drawn = [&](const std::string& folder) {
    request.output_dir = (folder_.path() / folder).string();
    recorder_ = TrainingRecorder();
    return read_picture(sample(request, recorder_, {}).pictures.at(0).path).image.rgb_hwc;
  };
  const auto preview = read_picture(out() / "samples/step-4/lora-0.png").image.rgb_hwc;
  EXPECT_TRUE(drawn("with") == preview);
  EXPECT_EQ(warnings(), std::vector<std::string>());
  request.prompt = {"a TOK icon of rabbit"};
  EXPECT_TRUE(drawn("word") == preview) << "the word of the training prompts";
  request.prompt = {"a word icon of rabbit"};
  request.embedding[0] += ":token=word";
  EXPECT_TRUE(drawn("renamed") == preview);
  request.prompt = {"a <s0><s1> icon of rabbit"};
  request.embedding.clear();
  EXPECT_FALSE(drawn("without") == preview);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("means nothing without --embedding"), std::string::npos);
}

TEST_F(TrainingTokens, WhatCannotBeLearnedIsRefused) {
  TrainConfig config = config_;
  config.train_text_encoder = true;
  expect_refused(config, "give one of them");
  config = config_;
  config.instance_prompt = "an icon of {caption}";
  expect_refused(config, "no caption holds TOK");
  config = config_;
  config.token_abstraction = {"A,B", "A"};
  expect_refused(config, "'A' is given twice");
  config.token_abstraction = {"A,,B"};
  expect_refused(config, "want words");
  config = config_;
  config.initializer_concept = "  ";
  expect_refused(config, "has no tokens");
  config = config_;
  config.train_text_encoder_ti = false;
  expect_refused(config, "train_text_encoder_ti_frac is for --train_text_encoder_ti");
  config.train_text_encoder_ti_frac = TrainConfig().train_text_encoder_ti_frac;
  config.token_abstraction = {"TOK"};
  expect_refused(config, "token_abstraction is for");
}

}  // namespace
}  // namespace dorabooth::testing::training_tokens_test
