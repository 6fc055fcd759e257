// Concepts from lists and from kohya's folder names, with their masks.
#include "datasets/concept.h"

#include <gtest/gtest.h>

#include "datasets/loss_mask.h"
#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::concept_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class Concepts : public ::testing::Test {
 protected:
  fs::path folder() const { return temporary_.path(); }
  void picture(const std::string& name) const { write_png(folder() / name, Image(8, 6, 120)); }
  void text(const std::string& name, const std::string& content) const {
    fs::create_directories((folder() / name).parent_path());
    write_file_atomically(folder() / name, content);
  }
  Concept here() const {
    Concept one;
    one.instance_data_dir = folder().string();
    return one;
  }

 private:
  testing::TemporaryFolder temporary_;
};

TEST_F(Concepts, KohyasFolderNamesGiveRepeatsAndCaptions) {
  picture("10_sks dog/a.png");
  picture("10_sks dog/b.png");
  text("10_sks dog/b.txt", "a sks dog in the snow");
  picture("3_sks cat/c.png");
  picture("notes/d.png");
  std::vector<std::string> notes;
  const std::vector<Concept> concepts = expand_folders({here()}, &notes);
  ASSERT_EQ(concepts.size(), 2u);
  EXPECT_EQ(concepts[0].repeats, 10);
  EXPECT_EQ(concepts[1].repeats, 3);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("not: notes"), std::string::npos) << notes[0];
  const ImageFolder dogs = read_concept(concepts[0]);
  ASSERT_EQ(dogs.pictures.size(), 2u);
  EXPECT_EQ(dogs.pictures[0].caption, "sks dog");
  EXPECT_EQ(dogs.pictures[1].caption, "a sks dog in the snow");
  EXPECT_EQ(dogs.pictures[1].repeats, 10);
  EXPECT_EQ(read_concept(concepts[1]).pictures[0].caption, "sks cat");
}

TEST_F(Concepts, ATemplateTakesTheFoldersNameAndAPlainPromptWins) {
  picture("2_dog/a.png");
  Concept one = here();
  one.instance_prompt = "a photo of {caption}";
  EXPECT_EQ(read_concept(expand_folders({one}, nullptr)[0]).pictures[0].caption, "a photo of dog");
  one.instance_prompt = "my pet";
  EXPECT_EQ(read_concept(expand_folders({one}, nullptr)[0]).pictures[0].caption, "my pet");
}

TEST_F(Concepts, AFolderWithPicturesOfItsOwnStaysWhatItIs) {
  picture("a.png");
  picture("10_sks dog/b.png");
  EXPECT_EQ(expand_folders({here()}, nullptr).size(), 1u);
}

TEST_F(Concepts, AListGivesEachItsSettings) {
  picture("dogs/a.png");
  picture("cats/b.png");
  text("list.json", R"([{"instance_data_dir": "dogs", "instance_prompt": "a sks dog",
                         "repeats": 2, "loss_weight": 0.5, "class_prompt": "a dog"},
                        {"instance_data_dir": "cats", "instance_prompt": "a sks cat"}])");
  const std::vector<Concept> concepts = read_concepts(folder() / "list.json");
  ASSERT_EQ(concepts.size(), 2u);
  const CaptionedPicture dog = read_concept(concepts[0]).pictures[0];
  EXPECT_EQ(dog.caption, "a sks dog");
  EXPECT_EQ(dog.repeats, 2);
  EXPECT_EQ(dog.loss_weight, 0.5);
  EXPECT_EQ(dog.class_prompt, "a dog");
  EXPECT_EQ(read_concept(concepts[1]).pictures[0].caption, "a sks cat");
}

TEST_F(Concepts, WhatIsWrongWithAListNamesFileAndConcept) {
  const auto error = [&](const std::string& content) {
    text("list.json", content);
    return message_of([&] { read_concepts(folder() / "list.json"); });
  };
  EXPECT_NE(error("{}").find("want a JSON array"), std::string::npos);
  EXPECT_NE(error(R"([{"instance_prompt": "x"}])").find("concept 1: no instance_data_dir"),
            std::string::npos);
  EXPECT_NE(error(R"([{"instance_data_dir": "a", "instance_promt": "x"}])").find("instance_promt"),
            std::string::npos);
}

TEST_F(Concepts, AMaskIsFoundBesideThePictureOrInItsFolder) {
  picture("dogs/a.png");
  picture("dogs/a-masklabel.png");
  picture("dogs/a-condlabel.png");
  picture("masks/a.jpg");
  Concept one = here();
  one.instance_data_dir = (folder() / "dogs").string();
  one.instance_prompt = "a dog";
  ImageFolder read = read_concept(one);
  ASSERT_EQ(read.pictures.size(), 1u);  // labels are no pictures to learn from
  EXPECT_EQ(read.pictures[0].mask, folder() / "dogs/a-masklabel.png");
  one.mask_data_dir = (folder() / "masks").string();
  EXPECT_EQ(read_concept(one).pictures[0].mask, folder() / "masks/a.jpg");
  picture("dogs/b.png");
  EXPECT_NE(message_of([&] { read_concept(one); }).find("has no mask for"), std::string::npos);
}

// White on the left, black on the right.
Image half_white(int width, int height) {
  Image image(width, height, 0);
  for (int y = 0; y < height; ++y) std::fill_n(image.pixel(0, y), 3 * (width / 2), uint8_t{255});
  return image;
}

TEST(LossMask, GoesThePicturesWay) {
  CropPlan plan = centre_crop({64, 32}, {32, 32}, false, Interpolation::kLanczos);
  const at::Tensor mask = loss_mask(half_white(64, 32), plan, 8, 0.0);
  ASSERT_EQ(mask.sizes(), (std::vector<int64_t>{1, 4, 4}));
  EXPECT_EQ(mask[0][1][0].item<float>(), 1.0f);
  EXPECT_EQ(mask[0][1][1].item<float>(), 1.0f);
  EXPECT_EQ(mask[0][1][2].item<float>(), 0.0f);
  plan.flipped = true;
  const at::Tensor flipped = loss_mask(half_white(64, 32), plan, 8, 0.25);
  EXPECT_EQ(flipped[0][1][0].item<float>(), 0.25f);
  EXPECT_EQ(flipped[0][1][3].item<float>(), 1.0f);
}

TEST(LossMask, MayHaveAnotherSizeButNotOtherProportions) {
  const CropPlan plan = centre_crop({64, 32}, {32, 32}, false, Interpolation::kLanczos);
  EXPECT_EQ(loss_mask(half_white(128, 64), plan, 8, 0.0)[0][0][0].item<float>(), 1.0f);
  EXPECT_NE(message_of([&] { loss_mask(half_white(64, 64), plan, 8, 0.0); }).find("proportions"),
            std::string::npos);
}

TEST(Opacity, IsReadBesideTheCompositedColours) {
  EXPECT_EQ(colour_from_name("#0a141e").green, 20);
  EXPECT_FALSE(message_of([] { colour_from_name("#12345"); }).empty());
  EXPECT_FALSE(message_of([] { colour_from_name("blue"); }).empty());
}

}  // namespace
}  // namespace dorabooth::concept_test
