// The folder that restyle writes: its pictures, captions and table, and what it refuses.
#include "pipelines/restyle.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/drawn_shapes.h"
#include "datasets/drawn_styles.h"
#include "datasets/image_folder.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::restyle_test {
namespace {

namespace fs = std::filesystem;

// A coloured box on white.
Image box(Rgb colour, int left, int top) {
  Image image(40, 40, 255);
  for (int y = top; y < 34; ++y) {
    for (int x = left; x < 34; ++x) {
      image.pixel(x, y)[0] = colour.red;
      image.pixel(x, y)[1] = colour.green;
      image.pixel(x, y)[2] = colour.blue;
    }
  }
  return image;
}

class Restyle : public ::testing::Test {
 protected:
  Restyle() {
    source("a", "red box", box({220, 30, 40}, 6, 6));
    source("b", "blue bar", box({40, 60, 200}, 20, 6));
    source("c", "green slab", box({40, 160, 60}, 6, 22));
    request_.instance_data_dir = (folder_.path() / "icons").string();
    request_.output_dir = out().string();
    request_.resolution = 48;
    request_.seed = 3;
  }

  fs::path out() const { return folder_.path() / "out"; }
  void source(const std::string& name, const std::string& caption, const Image& image) const {
    write_png(folder_.path() / "icons" / (name + ".png"), image);
    write_file_atomically(folder_.path() / "icons" / (name + ".txt"), caption);
  }
  RestyleReport run() { return restyle(request_, recorder_, recorder_.stop.get_token()); }
  std::vector<nlohmann::json> rows() const {
    std::vector<nlohmann::json> all;
    std::ifstream table(out() / "metadata.jsonl");
    for (std::string line; std::getline(table, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  static bool same(const Image& a, const Image& b) { return a.rgb_hwc == b.rgb_hwc; }

  TemporaryFolder folder_;
  RestyleRequest request_;
  Recorder recorder_;
};

TEST_F(Restyle, EveryPictureInEveryStyleWithItsCaption) {
  request_.style = {"glossy", "embossed"};
  const RestyleReport report = run();
  EXPECT_EQ(report.sources, 3);
  EXPECT_EQ(report.pictures, 6);
  EXPECT_FALSE(report.stopped);
  std::map<std::string, nlohmann::json> by_file;
  for (const nlohmann::json& row : rows()) by_file[row.at("file_name")] = row;
  ASSERT_EQ(by_file.size(), 6u);
  EXPECT_EQ(by_file.at("glossy/b.png").at("text"), "a glossy icon of blue bar");
  EXPECT_EQ(by_file.at("embossed/c.png").at("text"), "an embossed paper icon of green slab");
  EXPECT_EQ(by_file.at("embossed/c.png").at("style"), "embossed");
  EXPECT_EQ(by_file.at("embossed/c.png").at("concept"), "green slab");
  EXPECT_TRUE(same(read_picture(out() / "glossy" / "b.png").image,
                   draw_in_style(box({40, 60, 200}, 20, 6), "glossy", 3, 1, 48)));
}

TEST_F(Restyle, TheFolderIsOneThatTrainingReads) {
  request_.style = {"neon"};
  run();
  const ImageFolder read =
      read_image_folder({.folder = out(), .caption_column = {}, .instance_prompt = {}});
  ASSERT_EQ(read.pictures.size(), 3u);
  EXPECT_EQ(read.pictures[0].caption, "a neon icon of red box");
}

TEST_F(Restyle, WithoutAStyleAllAreDrawn) {
  run();
  std::set<std::string> styles;
  for (const nlohmann::json& row : rows()) styles.insert(row.at("style"));
  EXPECT_EQ(styles.size(), drawn_styles().size());
  EXPECT_EQ(rows().size(), 3 * drawn_styles().size());
}

TEST_F(Restyle, SomeStylesAreDrawnByChanceForEachPicture) {
  request_.styles_per_image = 5;
  EXPECT_EQ(run().pictures, 15);
  std::map<std::string, std::set<std::string>> styles;
  for (const nlohmann::json& row : rows()) styles[row.at("concept")].insert(row.at("style"));
  ASSERT_EQ(styles.size(), 3u);
  for (const auto& [caption, drawn] : styles) EXPECT_EQ(drawn.size(), 5u) << caption;
  EXPECT_NE(styles.at("red box"), styles.at("blue bar"));
  // A picture is the same whether few or all styles are drawn.
  const std::string style = *styles.at("blue bar").begin();
  EXPECT_TRUE(same(read_picture(out() / style / "b.png").image,
                   draw_in_style(box({40, 60, 200}, 20, 6), style, 3, 1, 48)));
}

TEST_F(Restyle, ShapesNeedNoPictures) {
  request_.instance_data_dir = "";
  request_.shapes = 4;
  EXPECT_EQ(run().pictures, 4);
  ASSERT_EQ(rows().size(), 4u);
  EXPECT_EQ(rows()[3].at("file_name"), "shapes/00003.png");
  EXPECT_EQ(rows()[3].at("text"), "shapes");
  EXPECT_TRUE(same(read_picture(out() / "shapes" / "00003.png").image, draw_shapes(48, 3, 3)));
}

TEST_F(Restyle, ItsOwnFolderIsReplacedAndNoOther) {
  request_.style = {"glossy"};
  run();
  request_.style = {"neon"};
  run();
  EXPECT_FALSE(fs::exists(out() / "glossy"));
  EXPECT_TRUE(fs::exists(out() / "neon" / "a.png"));
  fs::remove(out() / "restyle.json");
  EXPECT_NE(message_of([&] { run(); }).find("holds files that this command did not write"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(out() / "neon" / "a.png"));
  fs::remove_all(out());
  fs::create_directory(out());
  EXPECT_EQ(run().pictures, 3);
}

TEST_F(Restyle, ASlashAtTheEndOfTheFolderIsNoMatter) {
  request_.style = {"glossy"};
  request_.output_dir += "/";
  run();
  EXPECT_TRUE(fs::exists(out() / "glossy" / "a.png"));
}

TEST_F(Restyle, StoppedLeavesNothing) {
  recorder_.stop_at = 1;
  EXPECT_TRUE(run().stopped);
  size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().filename(), "icons");
    ++entries;
  }
  EXPECT_EQ(entries, 1u);
}

TEST_F(Restyle, APictureThatIsWhiteAllOverIsNamedAndNothingIsWritten) {
  source("d", "snow", Image(20, 20, 255));
  EXPECT_EQ(message_of([&] { run(); }), (folder_.path() / "icons" / "d.png").string() +
                                            ": a picture that is white all over has no icon to "
                                            "draw");
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Restyle, PicturesThatWouldOverwriteOneAnotherAreNamed) {
  const std::string bytes = encode_jpeg(box({1, 2, 3}, 6, 6), 90);
  write_file_atomically(folder_.path() / "icons" / "a.jpg", bytes);
  EXPECT_NE(message_of([&] { run(); }).find("would both be drawn as a.png"), std::string::npos);
}

TEST_F(Restyle, WrongSettingsAreRefusedWithTheName) {
  request_.style = {"glosy"};
  EXPECT_EQ(message_of([&] { run(); }), "unknown style 'glosy' (did you mean 'glossy'?)");
  request_.style = {"glossy"};
  request_.styles_per_image = 2;
  EXPECT_EQ(message_of([&] { run(); }), "--styles_per_image 2: only 1 to choose from");
  request_.styles_per_image = 0;
  request_.output_dir = "";
  EXPECT_THROW(run(), UsageError);
  request_.output_dir = out().string();
  request_.instance_data_dir = "";
  EXPECT_THROW(run(), UsageError);
}

}  // namespace
}  // namespace dorabooth::testing::restyle_test
