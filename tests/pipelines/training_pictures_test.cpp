// Buckets, masks, concepts, variations, the disk cache and the base's prior, over real steps.
#include <ATen/ATen.h>

#include "pipelines/parts/tensor_store.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_pictures_test {
namespace {

class TrainingPictures : public TrainingTest {
 protected:
  // A picture with something in it.
  void picture(const fs::path& path, int width, int height, int phase) const {
    Image image(width, height);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        image.pixel(x, y)[0] = static_cast<uint8_t>(3 * x + phase);
        image.pixel(x, y)[1] = static_cast<uint8_t>(5 * y + 2 * phase);
        image.pixel(x, y)[2] = static_cast<uint8_t>(x * y / 7);
      }
    }
    write_png(path, image);
  }

  // Two wide ones, one tall one, two square ones.
  std::string mixed_folder() const {
    const fs::path folder = folder_.path() / "mixed";
    picture(folder / "a.png", 150, 80, 1);
    picture(folder / "b.png", 160, 85, 2);
    picture(folder / "c.png", 80, 150, 3);
    picture(folder / "d.png", 100, 100, 4);
    picture(folder / "e.png", 90, 90, 5);
    return folder.string();
  }

  void use_buckets() {
    config_.instance_data_dir = mixed_folder();
    config_.instance_prompt = "a sks icon";
    config_.enable_bucket = true;
    config_.bucket_reso_steps = 16;
    config_.min_bucket_reso = 32;
    config_.max_bucket_reso = 128;
    config_.train_batch_size = 2;
    config_.max_train_steps = 6;
  }

  bool same_adapters(const std::string& one, const std::string& two) const {
    return adapter_bytes(one) == adapter_bytes(two);
  }

  // Without what the files say of prompts.
  bool same_numbers(const std::string& one, const std::string& two) const {
    const auto of = [&](const std::string& name) {
      return read_tensors(folder_.path() / name / "pytorch_lora_weights.safetensors");
    };
    const auto a = of(one);
    const auto b = of(two);
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& tensor) {
             const auto other = b.find(tensor.first);
             return other != b.end() && at::equal(tensor.second, other->second);
           });
  }

  // Of what the class prompt draws, in 8-bit steps a channel.
  double distance_from_base(const std::string& name) {
    const auto draw = [&](const std::vector<std::string>& adapters) {
      SampleRequest request;
      request.pretrained_model_name_or_path = base_path();
      request.prompt = {"an icon"};
      request.seed = {0, 1, 2, 3};
      request.num_inference_steps = 8;
      request.height = request.width = 64;
      request.device = "cpu";
      request.adapter_path = adapters;
      request.output_dir = (folder_.path() / "drawn").string();
      Recorder recorder;
      std::vector<uint8_t> pixels;
      for (const SampledPicture& picture : sample(request, recorder, {}).pictures) {
        const Image image = read_picture(picture.path).image;
        pixels.insert(pixels.end(), image.rgb_hwc.begin(), image.rgb_hwc.end());
      }
      return pixels;
    };
    const std::vector<uint8_t> base = draw({});
    const std::vector<uint8_t> other =
        draw({(folder_.path() / name / "pytorch_lora_weights.safetensors").string()});
    double sum = 0;
    for (size_t i = 0; i < base.size(); ++i) sum += std::abs(base[i] - other[i]);
    return sum / static_cast<double>(base.size());
  }

  double largest_b(const std::string& name) const {
    double largest = 0;
    const auto tensors = read_tensors(folder_.path() / name / "pytorch_lora_weights.safetensors");
    for (const auto& [key, value] : tensors) {
      if (key.find("lora_B") != std::string::npos || key.find("lora.up") != std::string::npos)
        largest = std::max(largest, value.abs().max().item<double>());
    }
    return largest;
  }
};

TEST_F(TrainingPictures, BucketsDropoutAverageAndTwinsResumeExactly) {
  use_buckets();
  config_.adapter = {"both"};
  config_.lora_dropout = 0.1;
  config_.use_ema = true;
  config_.random_flip = true;
  config_.image_variations = 2;
  config_.gradient_accumulation_steps = 2;
  config_.with_prior_preservation = true;
  config_.prior_preservation_source = "base";
  config_.class_prompt = "an icon";
  train_into("whole", config_);
  EXPECT_TRUE(train_into("parts", config_, 3).stopped);
  TrainConfig again = config_;
  again.resume_from_checkpoint = "latest";
  train_into("parts", again);
  for (const char* kind : {"/lora", "/dora"})
    EXPECT_TRUE(same_adapters(std::string("whole") + kind, std::string("parts") + kind)) << kind;
  EXPECT_TRUE(metrics("whole") == metrics("parts"));
}

TEST_F(TrainingPictures, EveryEpochOfBucketsHasItsShortBatches) {
  use_buckets();
  config_.max_train_steps.reset();
  config_.num_train_epochs = 2;
  // 2 wide: 1 batch, 1 tall: 1, 2 square: 1.
  EXPECT_EQ(train_into("out", config_).steps, 6);
}

TEST_F(TrainingPictures, WhatLosesMoreThanAFifthIsNamed) {
  config_.instance_data_dir = mixed_folder();
  config_.instance_prompt = "a sks icon";
  config_.max_train_steps = 1;
  train_into("square", config_);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_TRUE(warnings()[0].starts_with(
      "more than 20 % of the area is cut off of 3 of 5 pictures (a.png, b.png, c.png)"))
      << warnings()[0];
  use_buckets();
  config_.max_train_steps = 1;
  train_into("buckets", config_);
  EXPECT_TRUE(warnings().empty());
}

TEST_F(TrainingPictures, ABlackMaskLearnsNothingAndAWhiteOneChangesNothing) {
  config_.adapter = {"lora"};
  const fs::path masks = folder_.path() / "masks";
  const auto masks_of = [&](uint8_t value) {
    for (const auto& entry : fs::directory_iterator(config_.instance_data_dir)) {
      if (is_picture_name(entry.path())) {
        write_png(masks / (entry.path().stem().string() + ".png"), Image(256, 256, value));
      }
    }
  };
  train_into("plain", config_);
  config_.mask_data_dir = masks.string();
  masks_of(255);
  train_into("white", config_);
  EXPECT_TRUE(same_adapters("plain", "white"));
  masks_of(0);
  train_into("black", config_);
  EXPECT_EQ(largest_b("black"), 0.0);
  EXPECT_GT(largest_b("white"), 0.0);
  config_.unmasked_weight = 1.0;
  train_into("unmasked", config_);
  EXPECT_TRUE(same_adapters("plain", "unmasked"));
}

TEST_F(TrainingPictures, KohyasFolderAListAndFlagsTrainTheSameBytes) {
  const fs::path kohya = folder_.path() / "kohya";
  for (int i = 0; i < 3; ++i)
    picture(kohya / "2_sks icon" / (std::to_string(i) + ".png"), 80, 80, i);
  config_.instance_prompt.reset();
  config_.instance_data_dir = kohya.string();
  train_into("kohya", config_);
  config_.instance_data_dir = (kohya / "2_sks icon").string();
  config_.instance_prompt = "sks icon";
  config_.repeats = 2;
  train_into("flags", config_);
  EXPECT_TRUE(same_numbers("kohya", "flags"));
  write_file_atomically(folder_.path() / "list.json",
                        R"([{"instance_data_dir": "kohya/2_sks icon",
                             "instance_prompt": "sks icon", "repeats": 2}])");
  config_.instance_data_dir.clear();
  config_.instance_prompt.reset();
  config_.repeats = 1;
  config_.concepts_list = (folder_.path() / "list.json").string();
  train_into("list", config_);
  EXPECT_TRUE(same_numbers("list", "flags"));
  config_.repeats = 3;
  EXPECT_NE(message_of([&] { train_into("both", config_); }).find("--repeats"), std::string::npos);
}

TEST_F(TrainingPictures, EveryConceptGetsItsClassPictures) {
  some_pictures(folder_.path() / "others", 2);
  write_file_atomically(folder_.path() / "list.json",
                        R"([{"instance_data_dir": "pictures", "class_data_dir": "class_one",
                             "class_prompt": "an icon", "num_class_images": 1},
                            {"instance_data_dir": "others", "class_data_dir": "class_two",
                             "class_prompt": "a drawing", "num_class_images": 2}])");
  config_.instance_data_dir.clear();
  config_.instance_prompt.reset();
  config_.concepts_list = (folder_.path() / "list.json").string();
  config_.with_prior_preservation = true;
  config_.sample_batch_size = 2;
  config_.max_train_steps = 1;
  config_.train_batch_size = 2;
  train_into("out", config_);
  EXPECT_TRUE(fs::exists(folder_.path() / "class_one/class-00000.png"));
  EXPECT_FALSE(fs::exists(folder_.path() / "class_one/class-00001.png"));
  EXPECT_TRUE(fs::exists(folder_.path() / "class_two/class-00001.png"));
}

TEST_F(TrainingPictures, AConceptsWeightScalesItsLoss) {
  for (const auto& [name, weight] : {std::pair{"none", "0"}, {"half", "0.5"}, {"one", "1"}}) {
    write_file_atomically(
        folder_.path() / "list.json",
        concat(R"([{"instance_data_dir": "pictures", "instance_prompt": "x {caption}",
                    "loss_weight": )",
               weight, "}]"));
    config_.instance_data_dir.clear();
    config_.instance_prompt.reset();
    config_.concepts_list = (folder_.path() / "list.json").string();
    train_into(name, config_);
  }
  EXPECT_EQ(largest_b("none"), 0.0);
  const auto first_loss = [&](const std::string& name) {
    return metrics(name)[0]["loss"]["lora"].get<double>();
  };
  EXPECT_NEAR(first_loss("half"), 0.5 * first_loss("one"), 1e-6);
}

TEST_F(TrainingPictures, TheDiskCacheGivesTheSameBytesAndIsNeverStale) {
  config_.max_train_steps = 3;
  const fs::path cache = folder_.path() / "cache";
  const auto entries = [&] {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(cache)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  };
  train_into("memory", config_);
  config_.disk_cache_dir = cache.string();
  train_into("first", config_);
  EXPECT_TRUE(same_adapters("memory", "first"));
  const std::vector<fs::path> files = entries();
  EXPECT_GE(files.size(), 4u);
  train_into("second", config_);
  EXPECT_EQ(entries().size(), files.size());
  EXPECT_TRUE(same_adapters("memory", "second"));
  for (const fs::path& file : files) fs::resize_file(file, fs::file_size(file) / 2);
  train_into("damaged", config_);
  EXPECT_TRUE(same_adapters("memory", "damaged"));
  // Another crop has other entries.
  config_.resolution = 72;
  train_into("other", config_);
  EXPECT_GT(entries().size(), files.size());
}

// At the start the adapters change nothing, so the base's prior costs nothing; later it holds the
// class prompt where it was.
TEST_F(TrainingPictures, TheBasesPriorNeedsNoPictures) {
  config_.adapter = {"lora"};
  config_.max_train_steps = 40;
  config_.train_batch_size = 2;
  train_into("plain", config_);
  config_.with_prior_preservation = true;
  config_.prior_preservation_source = "base";
  config_.class_prompt = "an icon";
  config_.prior_loss_weight = 5;
  train_into("prior", config_);
  const auto losses = [&](const std::string& name, size_t step) {
    return metrics(name)[step]["loss"]["lora"].get<double>();
  };
  EXPECT_NEAR(losses("prior", 0), losses("plain", 0), 1e-5);
  EXPECT_LT(distance_from_base("prior"), 0.85 * distance_from_base("plain"));
  config_.class_prompt.reset();
  EXPECT_NE(message_of([&] { train_into("none", config_); }).find("--class_prompt"),
            std::string::npos);
}

TEST_F(TrainingPictures, ContradictionsAreRefusedWithASentence) {
  const auto error = [&](auto change) {
    TrainConfig changed = config_;
    change(changed);
    return message_of([&] { train_into("refused", changed); });
  };
  EXPECT_NE(error([](TrainConfig& c) { c.bucket_no_upscale = true; }).find("--enable_bucket"),
            std::string::npos);
  EXPECT_NE(error([](TrainConfig& c) { c.enable_bucket = true; }).find("--min_bucket_reso"),
            std::string::npos);
  EXPECT_NE(error([](TrainConfig& c) { c.background_color = "pink"; }).find("pink"),
            std::string::npos);
  EXPECT_NE(error([](TrainConfig& c) {
              c.image_variations = 3;
              c.center_crop = true;
            }).find("--image_variations 3"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::training_pictures_test
