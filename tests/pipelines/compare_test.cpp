// The contact sheet and its single pictures, on the bundled base.
#include "pipelines/compare.h"

#include <gtest/gtest.h>

#include <fstream>

#include "pipelines/drawn_cells.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/sample.h"
#include "src/imagefile/contact_sheet.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::compare_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::Recorder;
using testing::TemporaryFolder;
using testing::write_random_adapter;

class Compare : public ::testing::Test {
 protected:
  Compare() {
    write_random_adapter(path("lora.safetensors"), "lora", false, 1);
    write_random_adapter(path("dora.safetensors"), "dora", true, 1);
    request_.pretrained_model_name_or_path = testing::base_path();
    request_.prompt = {"a sks icon of penguin"};
    request_.seed = {0, 1};
    request_.column = {"LoRA=" + path("lora.safetensors"),
                       "DoRA=" + path("dora.safetensors") + ":0.75"};
    request_.num_inference_steps = 2;
    request_.guidance_scale = 3;
    request_.height = request_.width = 64;
    request_.device = "cpu";
    request_.output = path("out/sheet.png");
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  CompareReport run() { return compare(request_, recorder_, recorder_.stop.get_token()); }

  TemporaryFolder folder_;
  Recorder recorder_;
  CompareRequest request_;
};

TEST_F(Compare, LaysOutARowForEachPromptAndSeed) {
  std::ofstream(path("prompts.txt")) << "a sks icon of pie\r\n\n  a sks icon of tomato \n";
  request_.prompts_file = path("prompts.txt");
  const CompareReport report = run();
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.pictures.size(), 3u * 2 * 3);
  EXPECT_EQ(report.pictures.at(5), path("out/sheet/001-1-DoRA.png"));
  ContactSheet sheet;
  sheet.columns = {"base", "LoRA", "DoRA"};
  for (const char* prompt :
       {"a sks icon of penguin", "a sks icon of pie", "a sks icon of tomato"}) {
    for (const char* seed : {"seed 0", "seed 1"}) sheet.rows.push_back({prompt, seed, {}});
  }
  for (size_t i = 0; i < report.pictures.size(); ++i) {
    sheet.rows[i / 3].pictures.push_back(read_picture(report.pictures[i]).image);
  }
  const Font font(asset_path("fonts/DejaVuSans.ttf"));
  EXPECT_EQ(read_picture(report.sheet).image.rgb_hwc, contact_sheet(sheet, font).rgb_hwc);
}

TEST_F(Compare, ItsPicturesAreThoseOfSample) {
  const CompareReport report = run();
  for (const std::string& picture : report.pictures) {
    SampleRequest again;
    again.from = picture;
    again.output_dir = path("again");
    const SampleReport redrawn = sample(again, recorder_, {});
    EXPECT_EQ(read_file(redrawn.pictures.at(0).path), read_file(picture)) << picture;
  }
  EXPECT_NE(message_of([&] { request_of_picture(report.sheet); }).find("not a single picture"),
            std::string::npos);
}

// A patched weight is made when its column begins: so the cells come column by column, and are what
// they are one at a time.
TEST_F(Compare, ColumnsWithPatchesAreDrawnOneAfterTheOther) {
  at::manual_seed(4);
  const std::string conv = "lora_unet_down_blocks_1_resnets_0_conv1";
  write_tensors(path("locon.safetensors"),
                {{conv + ".lora_down.weight", at::randn({4, 64, 3, 3}) * 0.3},
                 {conv + ".lora_up.weight", at::randn({128, 4, 1, 1}) * 0.3}},
                {});
  request_.column.push_back("LoCon=" + path("locon.safetensors"));
  const CompareReport report = run();
  const auto previews = recorder_.all<PreviewEvent>();
  ASSERT_EQ(previews.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(previews[i].row, static_cast<int64_t>(i % 2));
    EXPECT_EQ(previews[i].column, static_cast<int64_t>(i / 2));
  }
  for (const std::string& picture : report.pictures) {
    SampleRequest again;
    again.from = picture;
    again.output_dir = path("again");
    EXPECT_EQ(read_file(sample(again, recorder_, {}).pictures.at(0).path), read_file(picture))
        << picture;
  }
}

TEST_F(Compare, TellsOfEveryCell) {
  run();
  const auto previews = recorder_.all<PreviewEvent>();
  ASSERT_EQ(previews.size(), 6u);
  EXPECT_EQ(previews[5].row, 1);
  EXPECT_EQ(previews[5].column, 2);
  EXPECT_EQ(previews[5].row_label, "a sks icon of penguin · seed 1");
  EXPECT_EQ(previews[5].column_label, "DoRA");
  EXPECT_NE(previews[3].image.rgb_hwc, previews[5].image.rgb_hwc);
  EXPECT_EQ(recorder_.all<StepEvent>().back().step, recorder_.all<StartedEvent>().at(0).total);
}

TEST_F(Compare, StoppedItKeepsTheSheetOfWhatIsDone) {
  recorder_.stop_at = 3;
  const CompareReport report = run();
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.pictures.size(), 1u);
  EXPECT_TRUE(fs::exists(report.sheet));
}

TEST_F(Compare, ReusesWhatWasDrawnWithTheSameSettings) {
  const std::vector<std::string> pictures = run().pictures;
  std::vector<std::string> before;
  for (const std::string& picture : pictures) before.push_back(read_file(picture));
  recorder_.events.clear();
  request_.reuse = true;
  request_.column[1] = "DoRA=" + path("dora.safetensors") + ":0.5";
  const CompareReport report = run();
  EXPECT_EQ(report.kept, 4);
  EXPECT_EQ(report.pictures, pictures);
  // Two cells of two steps were drawn; all six are shown.
  EXPECT_EQ(recorder_.all<StartedEvent>().at(0).total, 2 * 2);
  EXPECT_EQ(recorder_.all<PreviewEvent>().size(), 6u);
  EXPECT_EQ(read_file(pictures[0]), before[0]);
  EXPECT_NE(read_file(pictures[2]), before[2]);

  // They are the pictures that a comparison without reuse draws.
  request_.reuse = false;
  request_.output = path("fresh/sheet.png");
  const CompareReport fresh = run();
  EXPECT_EQ(fresh.kept, 0);
  for (size_t i = 0; i < pictures.size(); ++i)
    EXPECT_EQ(read_file(pictures[i]), read_file(fresh.pictures[i])) << pictures[i];
  EXPECT_EQ(read_file(report.sheet), read_file(fresh.sheet));
}

TEST_F(Compare, DoesNotReuseWhatAnotherAdapterOfThatNameOrADamagedFileShows) {
  const std::vector<std::string> pictures = run().pictures;
  write_random_adapter(path("lora.safetensors"), "lora", false, 2);
  std::ofstream(pictures[0]) << "not a PNG";
  request_.reuse = true;
  EXPECT_EQ(run().kept, 3);  // the other base picture, and both of the DoRA
}

TEST_F(Compare, WhatIsDrawnIsFoundWithoutTheBaseInMemory) {
  request_.height = request_.width = std::nullopt;  // the base's own: 128
  const std::vector<std::string> pictures = run().pictures;
  const std::vector<DrawnCell> cells = drawn_cells(request_);
  ASSERT_EQ(cells.size(), pictures.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    EXPECT_EQ(cells[i].path, pictures[i]);
    EXPECT_EQ(cells[i].row, i / 3);
    EXPECT_EQ(cells[i].column, i % 3);
    EXPECT_EQ(cells[i].image.rgb_hwc, read_picture(pictures[i]).image.rgb_hwc);
  }
  CompareRequest other = request_;
  other.column[1] = "DoRA=" + path("dora.safetensors") + ":0.5";
  EXPECT_EQ(drawn_cells(other).size(), 4u);
  other = request_;
  other.guidance_scale = 4;
  EXPECT_TRUE(drawn_cells(other).empty());
  write_random_adapter(path("lora.safetensors"), "lora", false, 2);
  std::ofstream(pictures[0]) << "not a PNG";
  EXPECT_EQ(drawn_cells(request_).size(), 3u);
  other.pretrained_model_name_or_path = path("gone");
  EXPECT_TRUE(drawn_cells(other).empty());
}

TEST_F(Compare, DrawsOneColumnAloneAndNoSheet) {
  request_.only_column = {"DoRA"};
  const CompareReport report = run();
  EXPECT_EQ(report.sheet, "");
  EXPECT_FALSE(fs::exists(request_.output));
  EXPECT_EQ(report.pictures, (std::vector<std::string>{path("out/sheet/000-0-DoRA.png"),
                                                       path("out/sheet/001-1-DoRA.png")}));
  EXPECT_EQ(recorder_.all<StartedEvent>().at(0).total, 2 * 2);
  EXPECT_EQ(recorder_.all<PreviewEvent>().at(1).row, 1);
  EXPECT_EQ(recorder_.all<PreviewEvent>().at(1).column, 2);

  // The same bytes as sample's.
  SampleRequest sampled;
  static_cast<ModelOptions&>(sampled) = request_;
  static_cast<SamplingOptions&>(sampled) = request_;
  sampled.prompt = request_.prompt;
  sampled.seed = {1};
  sampled.adapter_path = {path("dora.safetensors") + ":0.75"};
  sampled.output_dir = path("sampled");
  const SampleReport again = sample(sampled, recorder_, {});
  EXPECT_EQ(read_file(again.pictures.at(0).path), read_file(report.pictures[1]));

  request_.only_column = {"DoRa"};
  EXPECT_NE(message_of([&] { run(); }).find("did you mean 'DoRA'"), std::string::npos);
}

TEST_F(Compare, WritesAPageWithAllPicturesInIt) {
  request_.output = path("out/page.html");
  request_.seed = {0};
  request_.prompt = {"a <b> & \"c\""};
  const CompareReport report = run();
  EXPECT_EQ(report.sheet, request_.output);
  const std::string html = read_file(report.sheet);
  EXPECT_EQ(report.pictures.at(0), path("out/page/000-0-base.png"));
  size_t pictures = 0;
  for (size_t at = 0; (at = html.find("data:image/png;base64,", at)) != std::string::npos; ++at)
    ++pictures;
  EXPECT_EQ(pictures, 3u);
  EXPECT_NE(html.find("a &lt;b&gt; &amp; &quot;c&quot;"), std::string::npos);
  EXPECT_NE(html.find("strength 0.75"), std::string::npos);
}

TEST_F(Compare, SaysWhatIsWrongWithARequest) {
  const CompareRequest good = request_;
  const auto error = [&](auto&& change) {
    request_ = good;
    change(request_);
    return message_of([&] { run(); });
  };
  EXPECT_NE(error([](CompareRequest& r) { r.prompt.clear(); }).find("--prompt"), std::string::npos);
  EXPECT_NE(error([](CompareRequest& r) { r.output = "sheet.jpg"; }).find("--output"),
            std::string::npos);
  EXPECT_NE(error([](CompareRequest& r) { r.column.push_back("base=x"); }).find("'base'"),
            std::string::npos);
  EXPECT_NE(error([](CompareRequest& r) { r.prompts_file = "/no/such.txt"; }).find("/no/such.txt"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::compare_test
