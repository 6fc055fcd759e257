// Seeds, batches, adapters, text chunks and errors of sampling, on the bundled base.
#include "pipelines/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "src/imagefile/image_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::sample_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::Recorder;
using testing::TemporaryFolder;
using testing::write_random_adapter;

class Sample : public ::testing::Test {
 protected:
  SampleRequest request(const std::string& folder = "out") const {
    SampleRequest request;
    request.pretrained_model_name_or_path = testing::base_path();
    request.prompt = {"a sks icon of penguin"};
    request.num_inference_steps = 2;
    request.guidance_scale = 3;
    request.height = request.width = 64;
    request.device = "cpu";
    request.output_dir = (folder_.path() / folder).string();
    return request;
  }

  std::vector<std::string> draw(const SampleRequest& request) {
    std::vector<std::string> paths;
    const SampleReport report = sample(request, recorder_, recorder_.stop.get_token());
    for (const SampledPicture& picture : report.pictures) paths.push_back(picture.path);
    return paths;
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
  Recorder recorder_;
};

int largest_difference(const std::string& a, const std::string& b) {
  const Image first = read_picture(a).image;
  const Image second = read_picture(b).image;
  int worst = 0;
  for (size_t i = 0; i < first.rgb_hwc.size(); ++i) {
    worst = std::max(worst, std::abs(first.rgb_hwc[i] - second.rgb_hwc.at(i)));
  }
  return worst;
}

bool contains_picture(const Image& sheet, const Image& picture) {
  const auto matches = [&](int left, int top) {
    for (int y = 0; y < picture.height; ++y) {
      if (!std::equal(picture.pixel(0, y), picture.pixel(0, y) + 3 * picture.width,
                      sheet.pixel(left, top + y)))
        return false;
    }
    return true;
  };
  for (int top = 0; top + picture.height <= sheet.height; ++top) {
    for (int left = 0; left + picture.width <= sheet.width; ++left) {
      if (matches(left, top)) return true;
    }
  }
  return false;
}

TEST_F(Sample, APictureDependsOnItsOwnSeedAlone) {
  SampleRequest both = request();
  both.seed = {3, 4};
  const auto together = draw(both);
  ASSERT_EQ(together.size(), 2u);
  EXPECT_EQ(fs::path(together[1]).filename(), "00001-4.png");
  SampleRequest one = request("alone");
  one.seed = {4};
  EXPECT_EQ(read_file(draw(one).at(0)), read_file(together[1]));
  EXPECT_GT(largest_difference(together[0], together[1]), 8);
}

TEST_F(Sample, ABatchComesFromOneGenerator) {
  SampleRequest batch = request();
  batch.num_images_per_prompt = 2;
  const auto pictures = draw(batch);
  ASSERT_EQ(pictures.size(), 2u);
  EXPECT_EQ(fs::path(pictures[1]).filename(), "00001-0.png");
  EXPECT_GT(largest_difference(pictures[0], pictures[1]), 8);
  // A batch of two draws the same first numbers as one of one: only rounding differs.
  EXPECT_LE(largest_difference(draw(request("alone")).at(0), pictures[0]), 2);
}

TEST_F(Sample, AFileGivesFurtherPromptsAndTheSheetHoldsEveryPicture) {
  SampleRequest two = request();
  two.prompts_file = path("prompts.txt");
  write_file_atomically(*two.prompts_file, "\n  a sks icon of cat \n");
  two.sheet = path("sheet.png");
  two.sheet_columns = 1;
  const SampleReport report = sample(two, recorder_, recorder_.stop.get_token());
  ASSERT_EQ(report.pictures.size(), 2u);
  EXPECT_EQ(report.pictures[1].prompt, "a sks icon of cat");
  EXPECT_EQ(report.sheet, *two.sheet);
  const Image sheet = read_picture(report.sheet).image;
  EXPECT_GT(sheet.height, 2 * 64);
  for (const SampledPicture& picture : report.pictures)
    EXPECT_TRUE(contains_picture(sheet, read_picture(picture.path).image)) << picture.path;
  // A picture's own request has neither file nor sheet.
  EXPECT_FALSE(request_of_picture(report.pictures[1].path).prompts_file);
  EXPECT_FALSE(request_of_picture(report.pictures[1].path).sheet);
}

TEST_F(Sample, FromDrawsThePictureAgainByteForByte) {
  SampleRequest first = request();
  first.seed = {7};
  first.num_images_per_prompt = 2;
  first.negative_prompt = "";
  first.scheduler = "euler_a";
  first.prompt = {"crème brûlée, \"quoted\": {json}", "a sks icon of pie"};
  first.adapter_path = {write_random_adapter(path("dora.safetensors"), "dora", true, 1) + ":0.8"};
  const auto pictures = draw(first);
  ASSERT_EQ(pictures.size(), 4u);
  SampleRequest again;
  again.from = pictures[1];
  again.output_dir = path("again");
  const auto redrawn = draw(again);
  ASSERT_EQ(redrawn.size(), 1u);
  EXPECT_EQ(read_file(redrawn[0]), read_file(pictures[1]));
  EXPECT_EQ(request_of_picture(pictures[3]).prompt.at(0), "a sks icon of pie");
}

TEST_F(Sample, FieldsBesideFromOverrideThePictures) {
  SampleRequest first = request();
  first.seed = {7};
  SampleRequest again;
  again.from = draw(first).at(0);
  again.seed = {8};
  again.num_inference_steps = SampleRequest().num_inference_steps;
  const SampleRequest merged = with_picture(again, {"seed", "num_inference_steps"});
  EXPECT_EQ(merged.seed, std::vector<int64_t>{8});
  EXPECT_EQ(merged.num_inference_steps, SampleRequest().num_inference_steps);
  EXPECT_EQ(merged.prompt, first.prompt);
  EXPECT_EQ(merged.guidance_scale, first.guidance_scale);
  EXPECT_FALSE(merged.from.has_value());
}

TEST_F(Sample, FromRefusesWhatItCannotDrawAgain) {
  SampleRequest first = request();
  const std::string adapter = write_random_adapter(path("lora.safetensors"), "lora", false, 1);
  first.adapter_path = {adapter};
  SampleRequest again;
  again.from = draw(first).at(0);
  write_random_adapter(adapter, "lora", false, 2);
  EXPECT_NE(message_of([&] { draw(again); }).find("was drawn with another"), std::string::npos);
  fs::remove(adapter);
  EXPECT_NE(message_of([&] { draw(again); }).find("not there"), std::string::npos);
  write_png(path("plain.png"), Image(8, 8));
  again.from = path("plain.png");
  EXPECT_NE(message_of([&] { draw(again); }).find("was not drawn by this program"),
            std::string::npos);
}

TEST_F(Sample, SeveralAdaptersAddUp) {
  const std::string lora = write_random_adapter(path("lora.safetensors"), "lora", true, 1);
  SampleRequest whole = request("whole");
  whole.adapter_path = {lora};
  SampleRequest halves = request("halves");
  halves.adapter_path = {lora + ":0.5", lora + ":0.5"};
  const std::string picture = draw(whole).at(0);
  EXPECT_LE(largest_difference(draw(halves).at(0), picture), 1);
  EXPECT_GT(largest_difference(draw(request("base")).at(0), picture), 8);
}

TEST_F(Sample, StrengthZeroIsTheBaseUnderTheLerpRuleOnly) {
  const std::string dora = write_random_adapter(path("dora.safetensors"), "dora", true, 1);
  SampleRequest zero = request("zero");
  zero.adapter_path = {dora + ":0"};
  zero.strength_rule = "lerp";
  EXPECT_EQ(largest_difference(draw(zero).at(0), draw(request("base")).at(0)), 0);
}

TEST_F(Sample, StopsAfterTheStepAndKeepsWhatIsDone) {
  SampleRequest many = request();
  many.seed = {1, 2, 3};
  recorder_.stop_at = 3;  // in the middle of the second picture
  const SampleReport report = sample(many, recorder_, recorder_.stop.get_token());
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.pictures.size(), 1u);
  EXPECT_EQ(recorder_.all<StepEvent>().size(), 3u);
  size_t files = 0;
  for (const auto& item : fs::directory_iterator(many.output_dir)) files += item.exists();
  EXPECT_EQ(files, 1u);
}

TEST_F(Sample, TellsItsProgress) {
  SampleRequest two = request();
  two.seed = {1, 2};
  draw(two);
  EXPECT_EQ(recorder_.all<StartedEvent>().at(0).total, 4);
  EXPECT_EQ(recorder_.all<StepEvent>().back().step, 4);
  EXPECT_EQ(recorder_.all<PreviewEvent>().at(1).column_label, "seed 2");
  EXPECT_EQ(recorder_.all<SavedEvent>().size(), 2u);
}

TEST_F(Sample, WritesTheLineThatOtherToolsRead) {
  SampleRequest one = request();
  one.negative_prompt = "blurry";
  one.use_karras_sigmas = true;
  one.scheduler = "dpmpp_2m";
  one.height.reset();
  one.width.reset();
  const PngText text = read_png_text(draw(one).at(0));
  EXPECT_EQ(text.at("parameters")
                .rfind("a sks icon of penguin\nNegative prompt: blurry\n"
                       "Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, "
                       "CFG scale: 3, Seed: 0, Size: 128x128, Model: base, ",
                       0),
            0u)
      << text.at("parameters");
}

TEST_F(Sample, SaysWhatIsWrongWithARequest) {
  const auto error = [&](auto&& change) {
    SampleRequest wrong = request();
    change(wrong);
    return message_of([&] { draw(wrong); });
  };
  EXPECT_NE(error([](SampleRequest& r) { r.height = 100; }).find("--height: want a multiple of 8"),
            std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) { r.prompt.clear(); }).find("--prompt"), std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) { r.seed.clear(); }).find("--seed"), std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) { r.image_index = 1; }).find("--image_index"),
            std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) {
              r.target_size = {1, 2, 3};
            }).find("--target_size"),
            std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) { r.adapter_path = {"/no/such:0.5"}; }).find("/no/such"),
            std::string::npos);
  EXPECT_NE(error([](SampleRequest& r) {
              r.pretrained_model_name_or_path = "";
            }).find("--pretrained_model_name_or_path"),
            std::string::npos);
}

TEST_F(Sample, RefusesAnAdapterOfAnotherBase) {
  const std::string lora = write_random_adapter(path("lora.safetensors"), "lora", false, 1);
  SampleRequest wrong = request();
  wrong.pretrained_model_name_or_path = testing::fixture_path("tiny_sdxl").string();
  wrong.adapter_path = {lora};
  const std::string message = message_of([&] { draw(wrong); });
  EXPECT_NE(message.find(lora), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::sample_test
