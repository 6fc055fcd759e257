// Captions are written where they came from, and nothing else changes.
#include "datasets/caption_edit.h"

#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::caption_edit_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class CaptionEdit : public ::testing::Test {
 protected:
  CaptionEdit() {
    for (const char* name : {"a.png", "b.png"}) write_png(folder() / name, Image(3, 2, 120));
  }
  fs::path folder() const { return temporary_.path() / "pictures"; }
  void text(const std::string& name, const std::string& content) const {
    write_file_atomically(folder() / name, content);
  }
  std::string bytes(const std::string& name) const { return read_file(folder() / name); }
  void save(const std::string& name, const std::string& caption) const {
    const ImageFolderRequest request{folder(), std::nullopt, "an icon"};
    for (const ListedPicture& picture : list_image_folder(request).pictures) {
      if (picture.name == name) return save_caption(request, picture, caption);
    }
    FAIL() << name;
  }
  // The caption with which `name` is trained.
  std::string caption(const std::string& name) const {
    for (const CaptionedPicture& p :
         read_image_folder({folder(), std::nullopt, "an icon"}).pictures)
      if (p.path.filename() == name) return p.caption;
    return "";
  }

 private:
  testing::TemporaryFolder temporary_;
};

TEST_F(CaptionEdit, WithoutOneItMakesASidecarAndTakesItAwayAgain) {
  save("a.png", "a red fox");
  EXPECT_EQ(bytes("a.txt"), "a red fox\n");
  EXPECT_EQ(caption("a.png"), "a red fox");
  EXPECT_EQ(caption("b.png"), "an icon");
  save("a.png", "");
  EXPECT_FALSE(fs::exists(folder() / "a.txt"));
  save("a.png", "");
  EXPECT_EQ(caption("a.png"), "an icon");
}

TEST_F(CaptionEdit, ASidecarKeepsItsNameAndItsOtherLines) {
  text("a.caption", "old\r\nnotes\r\n");
  save("a.png", "new");
  EXPECT_EQ(bytes("a.caption"), "new\r\nnotes\r\n");
  EXPECT_FALSE(fs::exists(folder() / "a.txt"));
  EXPECT_NE(message_of([&] { save("a.png", " "); }).find("has other lines"), std::string::npos);
  EXPECT_NE(message_of([&] { save("a.png", "one\ntwo"); }).find("holds one line"),
            std::string::npos);
  EXPECT_EQ(caption("a.png"), "new");
}

TEST_F(CaptionEdit, JsonLinesKeepEveryOtherKeyAndLine) {
  const std::string first = "{\"file_name\": \"b.png\",  \"text\": \"kept\", \"score\": 1e-3}";
  text("metadata.jsonl", "\xef\xbb\xbf" + first +
                             "\r\n\n{\"tags\": [1, 2.5], \"text\": \"old\", \"file_name\": "
                             "\"./a.png\", \"caption\": \"other\"}\r\n");
  save("a.png", "a \"red\" кот");
  EXPECT_EQ(bytes("metadata.jsonl"),
            "\xef\xbb\xbf" + first +
                "\r\n\n{\"tags\":[1,2.5],\"text\":\"a \\\"red\\\" кот\",\"file_name\":\"./a.png\","
                "\"caption\":\"other\"}\r\n");
  EXPECT_EQ(caption("a.png"), "a \"red\" кот");
  EXPECT_FALSE(fs::exists(folder() / "a.txt"));
  EXPECT_NE(message_of([&] { save("a.png", ""); }).find("the caption of a.png cannot be empty"),
            std::string::npos);
}

TEST_F(CaptionEdit, CsvKeepsEveryOtherColumnAndRow) {
  text("metadata.csv",
       "file_name,prompt,by\r\na.png,\"one, \"\"two\"\"\nthree\",Ann\r\nb.png,x,Bo\n");
  save("a.png", "a, b");
  EXPECT_EQ(bytes("metadata.csv"), "file_name,prompt,by\r\na.png,\"a, b\",Ann\r\nb.png,x,Bo\n");
  save("b.png", "two\nlines");
  EXPECT_EQ(caption("b.png"), "two\nlines");
  EXPECT_EQ(caption("a.png"), "a, b");
}

TEST_F(CaptionEdit, APictureThatTheTableDoesNotNameGetsASidecar) {
  text("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"old\"}\n");
  save("b.png", "mine");
  EXPECT_EQ(bytes("b.txt"), "mine\n");
  EXPECT_EQ(bytes("metadata.jsonl"), "{\"file_name\": \"a.png\", \"text\": \"old\"}\n");
}

}  // namespace
}  // namespace dorabooth::caption_edit_test
