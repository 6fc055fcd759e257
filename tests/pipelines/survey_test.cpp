// The survey of a folder against what training makes of the same folder, and edits of pictures.
#include "pipelines/survey.h"

#include "datasets/image_folder.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::survey_test {
namespace {

class Survey : public ::testing::Test {
 protected:
  Survey() {
    request_.instance_data_dir = folder().string();
    request_.instance_prompt = "an icon";
    request_.resolution = 32;
    request_.center_crop = true;
  }
  fs::path folder() const { return temporary_.path() / "pictures"; }
  void picture(const std::string& name, int width, int height, uint8_t value = 120) const {
    write_png(folder() / name, Image(width, height, value));
  }
  DatasetReport survey() { return survey_dataset(request_, recorder_, recorder_.stop.get_token()); }
  static std::vector<PictureFault> faults(const SurveyedPicture& picture) {
    std::vector<PictureFault> all;
    for (const PictureWarning& warning : picture.warnings) all.push_back(warning.fault);
    return all;
  }
  using Faults = std::vector<PictureFault>;

  TemporaryFolder temporary_;
  SurveyRequest request_;
  Recorder recorder_;
};

TEST_F(Survey, TellsSizeScaleCropAndLossOfEachPicture) {
  picture("a.png", 64, 48);
  picture("b.png", 400, 32, 1);
  picture("c.png", 20, 20, 2);
  const DatasetReport report = survey();
  ASSERT_EQ(report.pictures.size(), 3u);
  const SurveyedPicture& a = report.pictures[0];
  EXPECT_EQ(a.name, "a.png");
  EXPECT_EQ(a.scaled_width, 42);
  EXPECT_EQ(a.scaled_height, 32);
  EXPECT_EQ(a.crop, (CropRectangle{8, 0, 48, 48}));
  EXPECT_NEAR(a.area_lost, 0.25, 0.02);
  EXPECT_EQ(faults(a), (Faults{PictureFault::kHeavyCrop}));
  EXPECT_EQ(report.pictures[1].warnings.at(0).text, "92 % of the area is cut off");
  EXPECT_EQ(report.pictures[2].warnings.at(0).text, "20x20 pixels are enlarged to 32x32");
}

TEST_F(Survey, NamesUnreadableDuplicateAndUncaptionedPictures) {
  picture("a.png", 40, 40);
  fs::copy_file(folder() / "a.png", folder() / "b.png");
  write_file_atomically(folder() / "c.png", "no picture");
  write_file_atomically(folder() / "d.txt", "");
  picture("d.png", 40, 40, 7);
  request_.instance_prompt.reset();
  write_file_atomically(folder() / "b.txt", "a fox");
  const DatasetReport report = survey();
  EXPECT_EQ(faults(report.pictures[0]), (Faults{PictureFault::kNoCaption}));
  EXPECT_EQ(report.pictures[0].caption_source, "none");
  EXPECT_EQ(faults(report.pictures[1]), (Faults{PictureFault::kDuplicate}));
  EXPECT_EQ(report.pictures[1].warnings[0].text, "the same picture as a.png");
  EXPECT_EQ(report.pictures[1].caption_source, "sidecar");
  EXPECT_EQ(faults(report.pictures[2]),
            (Faults{PictureFault::kNoCaption, PictureFault::kUnreadable}));
  EXPECT_NE(report.pictures[2].warnings[1].text.find("c.png"), std::string::npos);
  EXPECT_NE(report.pictures[3].warnings[0].text.find("empty first line"), std::string::npos);
}

TEST_F(Survey, AFaultOfTheFolderIsThrown) {
  EXPECT_NE(message_of([&] { survey(); }).find("no such folder"), std::string::npos);
}

TEST_F(Survey, ThumbnailsComeAsPreviewsAndAreSmall) {
  picture("a.png", 1000, 500);
  picture("b.png", 30, 40, 1);
  survey();
  const auto previews = recorder_.all<PreviewEvent>();
  ASSERT_EQ(previews.size(), 2u);
  EXPECT_EQ(previews[0].row_label, (folder() / "a.png").string());
  EXPECT_EQ(previews[0].image.width, 256);
  EXPECT_EQ(previews[0].image.height, 128);
  EXPECT_EQ(previews[1].image.width, 30);
  EXPECT_EQ(picture_preview((folder() / "a.png").string(), 100).height, 50);
}

TEST_F(Survey, StopsWhenAskedTo) {
  picture("a.png", 40, 40);
  recorder_.stop.request_stop();
  EXPECT_TRUE(survey().stopped);
}

TEST_F(Survey, CountsClassPictures) {
  picture("a.png", 40, 40);
  write_png(temporary_.path() / "class/0.png", Image(8, 8));
  EXPECT_EQ(survey().class_pictures_needed, 0);
  request_.with_prior_preservation = true;
  request_.class_data_dir = (temporary_.path() / "none").string();
  request_.num_class_images = 12;
  EXPECT_TRUE(survey().class_pictures.empty());
  request_.class_data_dir = (temporary_.path() / "class").string();
  EXPECT_EQ(survey().class_pictures.size(), 1u);
  EXPECT_EQ(survey().class_pictures_needed, 12);
}

TEST_F(Survey, ClassPicturesHaveThumbnailsWhereTheRunUsesThem) {
  picture("a.png", 40, 40);
  const fs::path of_class = temporary_.path() / "class";
  write_png(of_class / "0.png", Image(8, 8));
  write_file_atomically(of_class / "1.png", "no picture");
  request_.class_data_dir = of_class.string();
  survey();
  EXPECT_EQ(recorder_.all<PreviewEvent>().size(), 1u);
  recorder_.events.clear();
  request_.with_prior_preservation = true;
  const DatasetReport report = survey();
  const auto previews = recorder_.all<PreviewEvent>();
  ASSERT_EQ(previews.size(), 2u);
  EXPECT_EQ(previews[1].row_label, (of_class / "0.png").string());
  EXPECT_EQ(previews[1].column, 1);
  EXPECT_EQ(report.class_pictures.size(), 2u);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("1.png"), std::string::npos);
}

TEST_F(Survey, AnotherSettingDecodesNoPictureAgain) {
  picture("a.png", 64, 48);
  picture("b.png", 64, 48);
  SurveyCache cache;
  const auto decoded = [&] {
    recorder_.events.clear();
    survey_dataset(request_, recorder_, {}, &cache);
    return recorder_.all<PreviewEvent>().size();
  };
  EXPECT_EQ(decoded(), 2u);
  request_.resolution = 50;
  EXPECT_EQ(decoded(), 0u);
  const DatasetReport report = survey_dataset(request_, recorder_, {}, &cache);
  EXPECT_EQ(report.pictures[0].scaled_height, 50);
  EXPECT_EQ(faults(report.pictures[1]),
            (Faults{PictureFault::kSmall, PictureFault::kHeavyCrop, PictureFault::kDuplicate}));
  picture("a.png", 80, 48);
  EXPECT_EQ(decoded(), 1u);
  EXPECT_EQ(survey_dataset(request_, recorder_, {}, &cache).pictures[0].width, 80);
  // Whoever looked at another folder meanwhile has forgotten the thumbnails of this one.
  const std::string here = request_.instance_data_dir;
  request_.instance_data_dir = (temporary_.path() / "none").string();
  EXPECT_FALSE(message_of([&] { decoded(); }).empty());
  request_.instance_data_dir = here;
  EXPECT_EQ(decoded(), 2u);
}

TEST_F(Survey, AnEditIsSavedAndSeenAtOnceAndByTheNextSurvey) {
  picture("a.png", 64, 48);
  PictureEdit edit;
  edit.what = PictureEdit::What::kCrop;
  edit.folder = request_.instance_data_dir;
  edit.name = "a.png";
  edit.crop = CropRectangle{1, 2, 40, 40};
  const SurveyedPicture edited = edit_picture(request_, edit);
  EXPECT_EQ(edited.crop, *edit.crop);
  EXPECT_EQ(edited.drawn, edit.crop);
  EXPECT_TRUE(edited.warnings.empty());
  edit.what = PictureEdit::What::kCaption;
  edit.caption = "a fox";
  EXPECT_EQ(edit_picture(request_, edit).caption, "a fox");
  const SurveyedPicture surveyed = survey().pictures[0];
  EXPECT_EQ(surveyed.crop, edited.crop);
  EXPECT_EQ(surveyed.own_caption, "a fox");
  edit.what = PictureEdit::What::kCrop;
  edit.crop = CropRectangle{30, 2, 40, 40};
  EXPECT_NE(message_of([&] { edit_picture(request_, edit); }).find("is not inside"),
            std::string::npos);
  edit.name = "z.png";
  EXPECT_NE(message_of([&] { edit_picture(request_, edit); }).find("no picture z.png"),
            std::string::npos);
}

TEST_F(Survey, ACropFileThatDoesNotFitIsAWarningHere) {
  picture("a.png", 40, 40);
  write_file_atomically(folder() / "a.crop.json",
                        R"({"left": 9, "top": 9, "width": 40, "height": 3})");
  EXPECT_EQ(faults(survey().pictures[0]), (Faults{PictureFault::kBadCrop}));
}

class DrawnCrops : public TrainingTest {
 protected:
  void draw(const CropRectangle& rectangle) {
    const fs::path folder = config_.instance_data_dir;
    std::istringstream table(read_file(folder / "metadata.jsonl"));
    for (std::string line; std::getline(table, line);)
      save_crop_rectangle(folder / nlohmann::json::parse(line).at("file_name"), rectangle);
  }
};

TEST_F(DrawnCrops, ChangeTheTrainingAndTheDigestOfItsPictures) {
  config_.max_train_steps = 2;
  config_.resolution = 32;
  config_.center_crop = true;
  config_.random_flip = true;
  train_into("plain", config_);
  draw({0, 0, 16, 16});
  TrainConfig again = config_;
  again.resume_from_checkpoint = "latest";
  EXPECT_NE(message_of([&] {
              train_into("plain", again);
            }).find("the pictures or captions are not those"),
            std::string::npos);
  train_into("drawn", config_);
  EXPECT_NE(adapter_bytes("plain"), adapter_bytes("drawn"));
  const fs::path picture = list_pictures(config_.instance_data_dir).at(0);
  write_file_atomically(crop_file_of(picture),
                        R"({"left": 70, "top": 0, "width": 200, "height": 200})");
  EXPECT_NE(message_of([&] { train_into("outside", config_); }).find("is not inside the picture"),
            std::string::npos);
}

TEST_F(DrawnCrops, OfThePartThatIsUsedAnywayTrainTheSameBytes) {
  config_.max_train_steps = 2;
  config_.resolution = 64;
  config_.center_crop = true;
  config_.random_flip = true;
  train_into("plain", config_);
  const SurveyRequest request = survey_request_of(config_);
  Recorder recorder;
  for (const SurveyedPicture& picture : survey_dataset(request, recorder, {}).pictures)
    save_crop_rectangle(picture.path, picture.crop);
  train_into("drawn", config_);
  EXPECT_EQ(adapter_bytes("plain"), adapter_bytes("drawn"));
}

}  // namespace
}  // namespace dorabooth::testing::survey_test
