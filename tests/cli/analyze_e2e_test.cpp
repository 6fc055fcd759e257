// A short training's checkpoints as the paper's figures, by the built program.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/imagefile/image_file.h"
#include "tests/cli/program.h"

namespace dorabooth::testing::analyze_e2e_test {
namespace {

namespace fs = std::filesystem;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(AnalyzeProgram, WritesTheFiguresOfARunAsPngAndSvg) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  const Outcome trained =
      run({"train", "--config", "configs/style_small.json", "--lr_scheduler", "constant",
           "--lr_warmup_steps", "0", "--max_train_samples", "4", "--max_train_steps", "2",
           "--checkpointing_steps", "1", "--device", "cpu", "--output_dir", out.string()});
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path plots = folder.path() / "plots";
  const Outcome analyzed =
      run({"analyze", "--pretrained_model_name_or_path", "assets/base", "--run",
           "short=" + out.string(), "--json", "--output_plot", (plots / "changes.png").string(),
           "--output_plot", (plots / "changes.svg").string()});
  ASSERT_EQ(analyzed.status, 0) << analyzed.errors;
  size_t points = 0;
  const nlohmann::json report = nlohmann::json::parse(analyzed.out);
  ASSERT_EQ(report.at("series").size(), 2u);
  for (const nlohmann::json& series : report.at("series")) points += series.at("records").size();
  ASSERT_GT(points, 100u);
  for (const char* axis : {"output", "input"}) {
    const std::string scatter = std::string("changes-") + axis;
    const std::string bars = std::string("changes-layers-") + axis;
    for (const std::string& name : {scatter, bars}) {
      const PictureSize size = probe_size(plots / (name + ".png"));
      EXPECT_EQ(size.width, 1100) << name;
      const std::string svg = file_text(plots / (name + ".svg"));
      EXPECT_NE(svg.find("viewBox=\"0 0 1100 " + std::to_string(size.height) + "\""),
                std::string::npos)
          << name;
    }
    // Points are drawn at this opacity, and nothing else is.
    EXPECT_EQ(count_of(file_text(plots / (scatter + ".svg")), "fill-opacity:0.85;"), points);
  }
}

TEST(AnalyzeProgram, RefusesAPlotOfAnUnknownKindBeforeTheWork) {
  const Outcome outcome = run({"analyze", "--pretrained_model_name_or_path", "assets/base", "--run",
                               "nowhere", "--output_plot", "changes.pdf"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.errors.find("--output_plot changes.pdf: want a name that ends with .png or"),
            std::string::npos)
      << outcome.errors;
}

}  // namespace
}  // namespace dorabooth::testing::analyze_e2e_test
