// What `dorabooth rank` prints, and its exit status.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/support/fixtures.h"
#include "ui/cli/commands.h"

namespace dorabooth::rank_command_test {
namespace {

class RankCommand : public ::testing::Test {
 protected:
  RankCommand() {
    picture("real/a", "coal", 0);
    picture("real/b", "snow", 255);
    picture("drawn/x", "an icon of coal", 20);
    picture("drawn/y", "an icon of snow", 10);
  }
  void picture(const std::string& name, const std::string& caption, uint8_t value) const {
    write_png(folder_.path() / (name + ".png"), Image(8, 8, value));
    write_file_atomically(folder_.path() / (name + ".txt"), caption);
  }
  int rank(std::vector<std::string> more) {
    Arguments arguments = {"--generated_dir", (folder_.path() / "drawn").string(),
                           "--instance_data_dir", (folder_.path() / "real").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    out_.str("");
    errors_.str("");
    return rank_command(arguments, {out_, errors_});
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  testing::TemporaryFolder folder_;
  std::ostringstream out_;
  std::ostringstream errors_;
};

TEST_F(RankCommand, PrintsARowForEachPictureAndTheShare) {
  EXPECT_EQ(rank({}), 0);
  EXPECT_TRUE(contains(out_.str(), "1 of 2  ")) << out_.str();
  EXPECT_TRUE(contains(out_.str(), "snow (nearest: coal)")) << out_.str();
  EXPECT_TRUE(contains(out_.str(), "1 of 2 within the nearest 5 % (rank 1 of 2), median rank 2"))
      << out_.str();
}

TEST_F(RankCommand, TooFewAmongTheNearestIsAFailure) {
  EXPECT_EQ(rank({"--at_least", "1"}), 0);
  EXPECT_EQ(rank({"--at_least", "2"}), 1);
  EXPECT_TRUE(contains(errors_.str(), "for 1 of 2 pictures")) << errors_.str();
  EXPECT_TRUE(contains(errors_.str(), "want at least 2")) << errors_.str();
  EXPECT_EQ(rank({"--at_least", "2", "--nearest_percent", "100"}), 0);
}

TEST_F(RankCommand, JsonHasTheSameNumbers) {
  EXPECT_EQ(rank({"--json"}), 0);
  const auto report = nlohmann::json::parse(out_.str());
  EXPECT_EQ(report["within"], 1);
  EXPECT_EQ(report["real_pictures"], 2);
  EXPECT_EQ(report["rank_limit"], 1);
  EXPECT_EQ(report["nearest_percent"], 5.0);
  EXPECT_EQ(report["pictures"][1]["rank"], 2);
  EXPECT_EQ(report["pictures"][1]["nearest"], "coal");
}

}  // namespace
}  // namespace dorabooth::rank_command_test
