// Pictures of a run: prompts and seeds in rows, the base and every adapter in columns, in files, a
// sheet, event files and events.
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_previews_test {
namespace {

class TrainingPreviewsTest : public TrainingTest {
 protected:
  TrainingPreviewsTest() {
    config_.adapter = {"both"};
    config_.max_train_steps = 3;
    config_.learning_rate = 0.05;
    config_.validation_prompt = {"a sks icon of rabbit"};
    config_.num_validation_images = 2;
    config_.validation_steps = 2;
    config_.validation_inference_steps = 2;
  }

  // "0: base 0 'seed 0'", …: step, column and row of every event.
  std::vector<std::string> shown() const {
    std::vector<std::string> lines;
    for (const PreviewEvent& event : recorder_.all<PreviewEvent>()) {
      lines.push_back(concat(event.step, ": ", event.column, " ", event.column_label, ", ",
                             event.row, " ", event.row_label));
    }
    return lines;
  }

  Image picture(const std::string& file) const { return read_picture(folder_.path() / file).image; }
  bool exists(const std::string& file) const { return fs::exists(folder_.path() / file); }
};

TEST_F(TrainingPreviewsTest, BaseOnceAndEveryAdapterAtStartEveryNStepsAndEnd) {
  train_into("out", config_);
  std::vector<std::string> want = {"0: 0 base, 0 seed 0", "0: 0 base, 1 seed 1"};
  for (const int step : {0, 2, 3}) {
    for (const char* column : {"1 lora", "2 dora"}) {
      for (const char* row : {"0 seed 0", "1 seed 1"}) {
        want.push_back(concat(step, ": ", column, ", ", row));
      }
    }
  }
  EXPECT_EQ(shown(), want);
  for (const char* step : {"step-0", "step-2", "step-3"}) {
    EXPECT_TRUE(exists(concat("out/samples/", step, ".png")));
    for (const char* file : {"lora-0.png", "lora-1.png", "dora-0.png", "dora-1.png"}) {
      const fs::path path = out() / "samples" / step / file;
      EXPECT_EQ(read_picture(path).image.width, 64) << path;
      EXPECT_NE(read_png_text(path).at("parameters").find("a sks icon of rabbit\nSteps: 2"),
                std::string::npos);
    }
  }
  const Image base = picture("out/samples/base/base-1.png");
  // B starts at zero: an adapter begins as the base, bit for bit.
  EXPECT_EQ(picture("out/samples/step-0/lora-1.png").rgb_hwc, base.rgb_hwc);
  EXPECT_EQ(picture("out/samples/step-0/dora-1.png").rgb_hwc, base.rgb_hwc);
  EXPECT_NE(picture("out/samples/step-3/lora-1.png").rgb_hwc, base.rgb_hwc);
  EXPECT_NE(picture("out/samples/step-3/lora-1.png").rgb_hwc,
            picture("out/samples/step-3/dora-1.png").rgb_hwc);
}

TEST_F(TrainingPreviewsTest, SeveralPromptsHaveARowEachAndTheirNumberInTheNames) {
  config_.adapter = {"dora"};
  config_.seed = 7;
  config_.validation_prompt = {"a sks icon of rabbit", "a pie"};
  config_.validation_steps = 100;
  config_.max_train_steps = 1;
  config_.report_to = "tensorboard";
  train_into("out", config_);
  const auto events = recorder_.all<PreviewEvent>();
  ASSERT_EQ(events.size(), 12u);  // base, start and end
  EXPECT_EQ(events[2].row, 2);
  EXPECT_EQ(events[2].row_label, "a pie, seed 7");
  EXPECT_TRUE(exists("out/samples/base/base-2-8.png"));
  EXPECT_TRUE(exists("out/samples/step-1/dora-1-7.png"));
  EXPECT_NE(picture("out/samples/base/base-1-7.png").rgb_hwc,
            picture("out/samples/base/base-2-7.png").rgb_hwc);
  std::string logs;
  for (const auto& entry : fs::directory_iterator(out() / "logs")) logs += read_file(entry.path());
  for (const char* tag :
       {"samples/base/prompt-1/seed-7", "samples/dora/prompt-2/seed-8", "samples/sheet"}) {
    EXPECT_NE(logs.find(tag), std::string::npos) << tag;
  }
}

// Where a cell lies on the sheet is asked of its pixels: the picture occurs there whole.
bool occurs_in(const Image& sheet, const Image& cell, int* left) {
  for (int y = 0; y + cell.height <= sheet.height; ++y) {
    for (int x = 0; x + cell.width <= sheet.width; ++x) {
      bool same = true;
      for (int row = 0; row < cell.height && same; ++row) {
        same = std::equal(cell.pixel(0, row), cell.pixel(0, row) + 3 * cell.width,
                          sheet.pixel(x, y + row));
      }
      if (!same) continue;
      *left = x;
      return true;
    }
  }
  return false;
}

TEST_F(TrainingPreviewsTest, TheSheetHasTheBaseBesideTheAdapters) {
  train_into("out", config_);
  const Image sheet = picture("out/samples/step-3.png");
  int last = -1;
  for (const char* file : {"base/base-1.png", "step-3/lora-1.png", "step-3/dora-1.png"}) {
    int left = 0;
    ASSERT_TRUE(occurs_in(sheet, picture(std::string("out/samples/") + file), &left)) << file;
    EXPECT_GT(left, last) << file;
    last = left;
  }
}

TEST_F(TrainingPreviewsTest, AResumedRunReadsTheBaseBackAndDoesNotGoBackToTheStart) {
  config_.validation_steps = 3;
  train_into("out", config_, 2);
  const Image drawn = picture("out/samples/base/base-0.png");
  const auto written = fs::last_write_time(out() / "samples/base/base-0.png");
  config_.resume_from_checkpoint = "latest";
  train_into("out", config_);
  const std::vector<std::string> want = {"3: 0 base, 0 seed 0", "3: 0 base, 1 seed 1",
                                         "3: 1 lora, 0 seed 0", "3: 1 lora, 1 seed 1",
                                         "3: 2 dora, 0 seed 0", "3: 2 dora, 1 seed 1"};
  EXPECT_EQ(shown(), want);
  EXPECT_EQ(recorder_.all<PreviewEvent>().front().image.rgb_hwc, drawn.rgb_hwc);
  EXPECT_EQ(fs::last_write_time(out() / "samples/base/base-0.png"), written);
}

TEST_F(TrainingPreviewsTest, OtherSettingsDrawTheBaseAgain) {
  config_.max_train_steps = 1;
  train_into("out", config_);
  const Image before = picture("out/samples/base/base-0.png");
  config_.validation_guidance_scale = 9;
  train_into("out", config_);
  EXPECT_NE(picture("out/samples/base/base-0.png").rgb_hwc, before.rgb_hwc);
}

TEST_F(TrainingPreviewsTest, TheBasesPictureIsDrawnAgainFromItsFile) {
  config_.max_train_steps = 1;
  train_into("out", config_);
  const fs::path file = out() / "samples/base/base-1.png";
  SampleRequest request = request_of_picture(file.string());
  request.device = "cpu";
  request.output_dir = (folder_.path() / "again").string();
  Recorder recorder;
  const SampleReport report = sample(request, recorder, {});
  EXPECT_EQ(read_picture(report.pictures.at(0).path).image.rgb_hwc,
            read_picture(file).image.rgb_hwc);
}

// Runs, presets and projects of versions that had one prompt or none.
TEST_F(TrainingPreviewsTest, OlderFilesNameOnePrompt) {
  train_fields().from_json(&config_, {{"validation_prompt", "a pie"}}, "run.json");
  EXPECT_EQ(config_.validation_prompt, std::vector<std::string>{"a pie"});
  train_fields().from_json(&config_, {{"validation_prompt", nullptr}}, "run.json");
  EXPECT_TRUE(config_.validation_prompt.empty());
}

TEST_F(TrainingPreviewsTest, DoNotChangeWhatIsTrained) {
  config_.lora_dropout = 0.1;
  TrainConfig plain = config_;
  plain.validation_prompt.clear();
  train_into("plain", plain);
  EXPECT_FALSE(exists("plain/samples"));
  train_into("previews", config_);
  EXPECT_EQ(adapter_bytes("plain/dora"), adapter_bytes("previews/dora"));
  EXPECT_EQ(metrics("plain"), metrics("previews"));
}

TEST_F(TrainingPreviewsTest, ThatCannotBeWrittenAreAWarning) {
  config_.max_train_steps = 1;
  fs::create_directories(out());
  write_file_atomically(out() / "samples", "a file where a folder should be");
  EXPECT_EQ(train_into("out", config_).steps, 1);
  ASSERT_FALSE(warnings().empty());
  EXPECT_NE(warnings()[0].find("no preview of the base after step 0: "), std::string::npos)
      << warnings()[0];
}

}  // namespace
}  // namespace dorabooth::testing::training_previews_test
