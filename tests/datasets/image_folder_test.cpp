// Folders of pictures: where captions come from, and what is refused with which words.
#include "datasets/image_folder.h"

#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::image_folder_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class ImageFolderTest : public ::testing::Test {
 protected:
  fs::path folder() const { return temporary_.path() / "pictures"; }
  void picture(const std::string& name) const { write_png(folder() / name, Image(3, 2, 120)); }
  void text(const std::string& name, const std::string& content) const {
    write_file_atomically(folder() / name, content);
  }
  ImageFolder read(std::optional<std::string> prompt = std::nullopt,
                   std::optional<std::string> column = std::nullopt) const {
    return read_image_folder({folder(), std::move(column), std::move(prompt)});
  }
  std::string error(std::optional<std::string> prompt = std::nullopt,
                    std::optional<std::string> column = std::nullopt) const {
    return message_of([&] { read(std::move(prompt), std::move(column)); });
  }
  // "name=caption" of each picture, in order.
  static std::vector<std::string> pairs(const ImageFolder& read) {
    std::vector<std::string> result;
    for (const CaptionedPicture& picture : read.pictures) {
      result.push_back(picture.path.filename().string() + "=" + picture.caption);
    }
    return result;
  }
  using Pairs = std::vector<std::string>;

 private:
  testing::TemporaryFolder temporary_;
};

TEST_F(ImageFolderTest, InstancePromptCaptionsAllPicturesInTheOrderOfTheirNames) {
  for (const char* name : {"b.png", "a.jpg", "C.PNG"}) picture(name);
  EXPECT_EQ(pairs(read("a sks dog")),
            (Pairs{"C.PNG=a sks dog", "a.jpg=a sks dog", "b.png=a sks dog"}));
}

TEST_F(ImageFolderTest, JsonLinesGiveCaptionsFromTheFirstKnownColumn) {
  picture("a.png");
  picture("b.png");
  text("metadata.jsonl",
       "\xef\xbb\xbf{\"file_name\": \"b.png\", \"caption\": \"second\", \"text\": \"a b\", \"x\": "
       "1}\r\n\n"
       "{\"file_name\": \"./a.png\", \"caption\": \"first\", \"text\": \"a кот\"}");
  EXPECT_EQ(pairs(read()), (Pairs{"a.png=a кот", "b.png=a b"}));
  EXPECT_EQ(pairs(read(std::nullopt, "caption")), (Pairs{"a.png=first", "b.png=second"}));
}

TEST_F(ImageFolderTest, CsvGivesCaptionsWithCommasQuotesAndLineBreaks) {
  picture("a.png");
  picture("b.png");
  text("metadata.csv",
       "file_name,prompt\r\na.png,\"one, \"\"two\"\"\nthree\"\r\n\r\nb.png,plain text\r\n");
  EXPECT_EQ(pairs(read()), (Pairs{"a.png=one, \"two\"\nthree", "b.png=plain text"}));
}

TEST_F(ImageFolderTest, SidecarsGiveTheirFirstLine) {
  for (const char* name : {"a.png", "b.png", "c.png"}) picture(name);
  text("a.txt", "\xef\xbb\xbf  a red fox \r\nsecond line\n");
  text("b.caption", "a blue fox");
  EXPECT_EQ(pairs(read("a fox")), (Pairs{"a.png=a red fox", "b.png=a blue fox", "c.png=a fox"}));
}

TEST_F(ImageFolderTest, FurtherLinesOfASidecarAreAlternatives) {
  picture("a.png");
  picture("b.png");
  text("a.txt", "red\r\n\n  scarlet \ncrimson");
  text("b.txt", "blue\n");
  const auto pictures = read("a {caption} fox").pictures;
  EXPECT_EQ(pictures[0].caption, "a red fox");
  EXPECT_EQ(pictures[0].alternatives, (std::vector<std::string>{"a scarlet fox", "a crimson fox"}));
  EXPECT_TRUE(pictures[1].alternatives.empty());
}

TEST_F(ImageFolderTest, PromptWithPlaceholderIsATemplate) {
  picture("a.png");
  picture("b.png");
  text("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"pie\"}");
  text("b.txt", "dog {caption}");
  EXPECT_EQ(
      pairs(read("a sks icon of {caption}, {caption}")),
      (Pairs{"a.png=a sks icon of pie, pie", "b.png=a sks icon of dog {caption}, dog {caption}"}));
  picture("c.png");
  EXPECT_NE(error("an icon of {caption}").find("c.png has no caption for the {caption}"),
            std::string::npos);
}

TEST_F(ImageFolderTest, TableMayNameFilesInSubFoldersAndOthersAreNoted) {
  picture("sub/a.png");
  picture("10_sks dog/b.png");
  text("c.gif", "GIF89a");
  text("metadata.jsonl", "{\"file_name\": \"sub/a.png\", \"text\": \"pie\"}");
  const ImageFolder result = read();
  EXPECT_EQ(pairs(result), (Pairs{"a.png=pie"}));
  ASSERT_EQ(result.notes.size(), 2u);
  EXPECT_NE(result.notes[0].find("10_sks dog, sub"), std::string::npos);
  EXPECT_NE(result.notes[1].find("c.gif"), std::string::npos);
}

TEST_F(ImageFolderTest, TableWithoutCaptionsLeavesThePromptToCaption) {
  picture("a.png");
  text("metadata.jsonl", "{\"file_name\": \"a.png\", \"label\": 3}");
  EXPECT_EQ(pairs(read("a fox")), (Pairs{"a.png=a fox"}));
  EXPECT_NE(error().find("--instance_prompt"), std::string::npos);
}

TEST_F(ImageFolderTest, HiddenFilesAndCachesAreNoPictures) {
  picture("a.png");
  text("._a.png", "resource fork");
  text("a.npz", "latents");
  EXPECT_EQ(read("a fox").pictures.size(), 1u);
  EXPECT_EQ(list_pictures(folder()).size(), 1u);
}

TEST_F(ImageFolderTest, MissingAndEmptyFoldersAreNamed) {
  EXPECT_NE(error("a fox").find("no such folder: " + folder().string()), std::string::npos);
  text("notes.md", "x");
  EXPECT_NE(error("a fox").find("no picture in " + folder().string()), std::string::npos);
  EXPECT_NE(message_of([&] { list_pictures(folder() / "notes.md"); }).find("is a file"),
            std::string::npos);
}

TEST_F(ImageFolderTest, TableThatNamesAMissingFileIsRefused) {
  picture("a.png");
  text("metadata.jsonl", "{\"file_name\": \"gone.png\", \"text\": \"x\"}");
  const std::string message = error();
  EXPECT_NE(message.find("metadata.jsonl names gone.png"), std::string::npos) << message;
}

TEST_F(ImageFolderTest, FilesOutsideTheFolderAreRefused) {
  picture("a.png");
  write_png(folder() / ".." / "outside" / "secret.png", Image(2, 2));
  for (const std::string& name :
       {std::string("../outside/secret.png"), std::string("sub/../../outside/secret.png"),
        (folder() / "a.png").string(), std::string("..")}) {
    text("metadata.jsonl", "{\"file_name\": \"" + name + "\", \"text\": \"x\"}");
    EXPECT_NE(error().find("leaves the folder"), std::string::npos) << name;
  }
  fs::create_directory_symlink(folder() / ".." / "outside", folder() / "linked");
  text("metadata.jsonl", "{\"file_name\": \"linked/secret.png\", \"text\": \"x\"}");
  EXPECT_NE(error().find("leaves the folder through a link"), std::string::npos);
}

TEST_F(ImageFolderTest, PictureThatIsALinkIsRead) {
  write_png(folder() / ".." / "blobs" / "0123", Image(2, 2));
  fs::create_directories(folder());
  fs::create_symlink(folder() / ".." / "blobs" / "0123", folder() / "a.png");
  text("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"pie\"}");
  EXPECT_EQ(pairs(read()), (Pairs{"a.png=pie"}));
}

TEST_F(ImageFolderTest, WrongTablesAreNamedWithTheirLine) {
  picture("a.png");
  const auto table_error = [&](const std::string& content) {
    text("metadata.jsonl", content);
    return error();
  };
  const std::string good = "{\"file_name\": \"a.png\", \"text\": \"x\"}\n";
  EXPECT_NE(table_error(good + "{oops\n").find("line 2: want a JSON object"), std::string::npos);
  EXPECT_NE(table_error(good + good).find("line 2: a.png comes twice"), std::string::npos);
  EXPECT_NE(table_error("{\"text\": \"x\"}").find("line 1: no file_name"), std::string::npos);
  EXPECT_NE(table_error("{\"file_name\": \"a.png\", \"text\": null}").find("text is null"),
            std::string::npos);
  EXPECT_NE(table_error("{\"file_name\": \"a.png\", \"text\": \" \"}").find("text is empty"),
            std::string::npos);
  EXPECT_NE(table_error("\xff\xfe").find("not UTF-8"), std::string::npos);
  text("metadata.csv", "file_name,text\na.png,x\n");
  EXPECT_NE(error().find("both"), std::string::npos);
  fs::remove(folder() / "metadata.jsonl");
  text("metadata.csv", "file_name,text\na.png,x,y\n");
  EXPECT_NE(error().find("metadata.csv line 2: 3 fields, want 2"), std::string::npos);
  text("metadata.csv", "file_name,text\na.png,\"x\n");
  EXPECT_NE(error().find("line 2: a quote is not closed"), std::string::npos);
}

TEST_F(ImageFolderTest, UnknownCaptionColumnGetsTheNearestName) {
  picture("a.png");
  EXPECT_NE(error("a fox", "text").find("needs a metadata.jsonl"), std::string::npos);
  text("metadata.jsonl", "{\"file_name\": \"a.png\", \"description\": \"x\"}");
  const std::string message = error(std::nullopt, "descripton");
  EXPECT_NE(message.find("did you mean 'description'?"), std::string::npos) << message;
}

TEST_F(ImageFolderTest, EmptyOrContradictingSidecarsAreRefused) {
  picture("a.png");
  text("a.txt", "\nsecond line");
  EXPECT_NE(error("a fox").find("a.txt has an empty first line"), std::string::npos);
  text("a.txt", "one");
  text("a.caption", "two");
  EXPECT_NE(error("a fox").find("two caption files that differ"), std::string::npos);
  text("a.caption", "one\n");
  EXPECT_EQ(pairs(read("a fox")), (Pairs{"a.png=one"}));
}

TEST_F(ImageFolderTest, AllBrokenPicturesAreNamedAtOnce) {
  for (const char* name : {"a.png", "b.png", "c.jpg"}) picture(name);
  EXPECT_EQ(message_of([&] { verify_pictures(read("x").pictures); }), "");
  text("b.png", "not a picture");
  text("c.jpg", "");
  const std::string message = message_of([&] { verify_pictures(read("x").pictures); });
  EXPECT_NE(message.find("2 of 3 pictures cannot be used"), std::string::npos) << message;
  EXPECT_NE(message.find("b.png"), std::string::npos);
  EXPECT_NE(message.find("c.jpg: the file is empty"), std::string::npos) << message;
  EXPECT_EQ(message.find("a.png"), std::string::npos);
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(message_of([&] { verify_pictures(read("x").pictures, source.get_token()); }), "");
}

TEST(SamplePictures, AreReadableAndDisjoint) {
  const fs::path pictures = testing::source_dir() / "assets/pictures";
  const ImageFolder train =
      read_image_folder({pictures / "train", std::nullopt, "a sks icon of {caption}"});
  const ImageFolder heldout = read_image_folder({pictures / "heldout", std::nullopt, std::nullopt});
  verify_pictures(train.pictures);
  verify_pictures(heldout.pictures);
  EXPECT_EQ(train.pictures.size(), 64u);
  EXPECT_EQ(heldout.pictures.size(), 64u);
  const std::string prompts = read_file(pictures / "compare_prompts.txt");
  for (const CaptionedPicture& picture : train.pictures) {
    EXPECT_FALSE(fs::exists(pictures / "heldout" / picture.path.filename()));
    EXPECT_EQ(prompts.find(picture.caption + "\n"), std::string::npos) << picture.caption;
  }
}

}  // namespace
}  // namespace dorabooth::image_folder_test
