// Pictures and captions of a run: captions' sources, class pictures that are drawn when missing.
#include <fstream>

#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_data_test {
namespace {

class TrainingData : public TrainingTest {
 protected:
  TrainingData() { config_.max_train_steps = 1; }

  void prior(const std::string& folder, int64_t count) {
    config_.with_prior_preservation = true;
    config_.resolution = 32;
    config_.class_data_dir = (folder_.path() / folder).string();
    config_.class_prompt = "an icon";
    config_.num_class_images = count;
  }

  std::string class_bytes(const std::string& name) const {
    return read_file(fs::path(*config_.class_data_dir) / name);
  }
};

TEST_F(TrainingData, MissingClassPicturesAreDrawnAndOnlyThose) {
  prior("class", 2);
  config_.sample_batch_size = 2;
  train_into("first", config_);
  const std::string zero = class_bytes("class-00000.png");
  const std::string one = class_bytes("class-00001.png");
  EXPECT_NE(zero, one);
  EXPECT_EQ(decode_picture(zero, "zero").image.width, 32);
  const auto written = fs::last_write_time(fs::path(*config_.class_data_dir) / "class-00000.png");

  fs::remove(fs::path(*config_.class_data_dir) / "class-00001.png");
  train_into("second", config_);
  EXPECT_EQ(fs::last_write_time(fs::path(*config_.class_data_dir) / "class-00000.png"), written);
  const Image again = decode_picture(class_bytes("class-00001.png"), "again").image;
  const Image before = decode_picture(one, "before").image;
  int worst = 0;
  for (size_t i = 0; i < before.rgb_hwc.size(); ++i) {
    worst = std::max(worst, std::abs(before.rgb_hwc[i] - again.rgb_hwc[i]));
  }
  EXPECT_LE(worst, 1) << "a batch of another size";

  bool drew = false;
  train_into("third", config_);
  for (const StartedEvent& event : recorder_.all<StartedEvent>())
    drew |= event.what == "class pictures";
  EXPECT_FALSE(drew);
}

TEST_F(TrainingData, PicturesThatAreThereCountAsClassPictures) {
  prior("class", 3);
  some_pictures(*config_.class_data_dir, 2);
  fs::remove(fs::path(*config_.class_data_dir) / "metadata.jsonl");
  train_into("out", config_);
  EXPECT_TRUE(fs::exists(fs::path(*config_.class_data_dir) / "class-00000.png"));
  EXPECT_FALSE(fs::exists(fs::path(*config_.class_data_dir) / "class-00001.png"));
}

TEST_F(TrainingData, PriorPreservationChangesTheLoss) {
  config_.resolution = 32;
  train_into("plain", config_);
  prior("class", 1);
  some_pictures(*config_.class_data_dir, 1);
  train_into("prior", config_);
  const double plain = metrics("plain").at(0)["loss"]["lora"];
  EXPECT_GT(metrics("prior").at(0)["loss"]["lora"], plain);
  config_.prior_loss_weight = 0.0;
  train_into("weightless", config_);
  EXPECT_NEAR(metrics("weightless").at(0)["loss"]["lora"], plain, 1e-5);
}

TEST_F(TrainingData, CaptionsComeFromTheTableOrFromSidecarFiles) {
  config_.instance_prompt.reset();
  train_into("table", config_);
  const fs::path folder = config_.instance_data_dir;
  std::istringstream table(read_file(folder / "metadata.jsonl"));
  std::string line;
  while (std::getline(table, line)) {
    const auto row = nlohmann::json::parse(line);
    std::ofstream(folder / fs::path(row["file_name"].get<std::string>()).replace_extension(".txt"))
        << row["text"].get<std::string>();
  }
  fs::remove(folder / "metadata.jsonl");
  train_into("sidecars", config_);
  EXPECT_EQ(adapter_bytes("table"), adapter_bytes("sidecars"));
  config_.instance_prompt = "glossy {caption}";
  train_into("template", config_);
  EXPECT_NE(adapter_bytes("template"), adapter_bytes("sidecars"));
}

TEST_F(TrainingData, ACaptionTooLongIsCutWithAWarningAlsoWhereTextEncodersTrain) {
  std::string longest;
  for (int i = 0; i < 200; ++i) longest += "very ";
  config_.instance_prompt = longest + "{caption}";
  for (const bool trains : {false, true}) {
    config_.train_text_encoder = trains;
    train_into("out", config_);
    EXPECT_FALSE(warnings().empty());
  }
}

TEST_F(TrainingData, MaxTrainSamplesTakesTheFirst) {
  config_.max_train_samples = 1;
  config_.max_train_steps.reset();
  config_.num_train_epochs = 3;
  EXPECT_EQ(train_into("out", config_).steps, 3);
}

}  // namespace
}  // namespace dorabooth::testing::training_data_test
