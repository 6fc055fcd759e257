// --embedding in sample and compare: arguments, columns, pictures drawn again.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipelines/compare_grid.h"
#include "pipelines/embedding_argument.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/model/embedding_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::embedding_use_test {
namespace {

namespace fs = std::filesystem;

class EmbeddingUse : public ::testing::Test {
 protected:
  // `count` random rows; placeholders if they are given.
  std::string write(const std::string& name, int64_t count, uint64_t seed,
                    const std::vector<std::string>& placeholders = {}) const {
    static const SdxlBundle base = load_bundle(base_path(), LoadOptions());
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    EmbeddingFile file;
    file.rows = random_token_embeddings(base, count, seed);
    file.placeholders = placeholders;
    if (placeholders.empty()) file.placeholders.assign(static_cast<size_t>(count), "TOK");
    write_embedding_file(path, file, {});
    return path.string();
  }
  SampleRequest request() const {
    SampleRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.prompt = {"a <s0><s1> icon"};
    request.num_inference_steps = 2;
    request.guidance_scale = 3;
    request.height = request.width = 64;
    request.device = "cpu";
    request.output_dir = (folder_.path() / "out").string();
    return request;
  }
  std::vector<uint8_t> pixels(const std::string& path) const {
    return read_picture(path).image.rgb_hwc;
  }
  std::string draw(const SampleRequest& request, const std::string& folder) {
    SampleRequest one = request;
    one.output_dir = (folder_.path() / folder).string();
    recorder_ = Recorder();
    return sample(one, recorder_, {}).pictures.at(0).path;
  }
  std::vector<std::string> warnings() const {
    std::vector<std::string> texts;
    for (const LogEvent& event : recorder_.all<LogEvent>()) {
      if (event.level == LogLevel::kWarning) texts.push_back(event.text);
    }
    return texts;
  }

  TemporaryFolder folder_;
  Recorder recorder_;
};

TEST_F(EmbeddingUse, ArgumentsSplit) {
  const EmbeddingArgument plain = parse_embedding_argument("runs/x_emb.safetensors");
  EXPECT_EQ(plain.path, "runs/x_emb.safetensors");
  EXPECT_FALSE(plain.token);
  EXPECT_EQ(plain.text(), "runs/x_emb.safetensors");
  const EmbeddingArgument named = parse_column_embedding("DoRA=a.safetensors:token=my=tok:en");
  EXPECT_EQ(named.column, "DoRA");
  EXPECT_EQ(named.path, "a.safetensors");
  EXPECT_EQ(*named.token, "my=tok:en");
  EXPECT_EQ(named.text(), "a.safetensors:token=my=tok:en");
  EXPECT_EQ(parse_column_embedding("a/b=c.safetensors").path, "a/b=c.safetensors");
  EXPECT_THROW(parse_embedding_argument(":token=x"), UsageError);
  EXPECT_THROW(parse_embedding_argument("x:token="), UsageError);
  EXPECT_THROW(parse_column_embedding("=x"), UsageError);
  EXPECT_THROW(embeddings_of_column({"lora=x"}, "base", {"base", "dora"}), UsageError);
}

TEST_F(EmbeddingUse, APictureIsDrawnAgainFromItsText) {
  SampleRequest first = request();
  first.embedding = {write("x.safetensors", 2, 1, {"<s0>", "<s1>"})};
  const std::string picture = draw(first, "first");
  EXPECT_FALSE(pixels(picture) == pixels(draw(request(), "without")));
  EXPECT_NE(read_png_text(picture).at("parameters").find("Embeddings: x"), std::string::npos);
  SampleRequest again;
  again.device = "cpu";
  again.from = picture;
  EXPECT_TRUE(pixels(draw(again, "again")) == pixels(picture));
  write("x.safetensors", 2, 2, {"<s0>", "<s1>"});
  EXPECT_NE(message_of([&] { draw(again, "other"); }).find("drawn with another"),
            std::string::npos);
}

TEST_F(EmbeddingUse, OneTokenForAllRowsIsTheirPlaceholdersInARow) {
  SampleRequest first = request();
  first.embedding = {write("x.safetensors", 2, 1, {"<s0>", "<s1>"})};
  const auto want = pixels(draw(first, "placeholders"));
  first.prompt = {"a STYLE icon"};
  first.embedding[0] += ":token=STYLE";
  EXPECT_TRUE(pixels(draw(first, "token")) == want);
  // The placeholders of a file may be one word.
  first.embedding = {write("y.safetensors", 2, 1)};
  first.prompt = {"a TOK icon"};
  EXPECT_TRUE(pixels(draw(first, "word")) == want);
}

TEST_F(EmbeddingUse, ANegativePromptHoldsTokensToo) {
  SampleRequest plain = request();
  plain.prompt = {"a red icon"};
  plain.negative_prompt = "bad";
  SampleRequest with = plain;
  with.embedding = {write("bad.safetensors", 3, 1) + ":token=bad"};
  EXPECT_FALSE(pixels(draw(plain, "plain")) == pixels(draw(with, "with")));
  EXPECT_EQ(warnings(), std::vector<std::string>());
  with.negative_prompt = "ugly";
  draw(with, "unused");
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("no prompt holds bad"), std::string::npos);
}

TEST_F(EmbeddingUse, FilesThatDoNotFitAreRefused) {
  SampleRequest bad = request();
  EmbeddingFile wide;
  wide.rows = {at::zeros({1, 768}), at::zeros({1, 1280})};
  wide.placeholders = {"x"};
  const fs::path path = folder_.path() / "wide.safetensors";
  write_embedding_file(path, wide, {});
  bad.embedding = {path.string()};
  EXPECT_NE(message_of([&] { draw(bad, "wide"); }).find("of width 768"), std::string::npos);
  bad.embedding = {write("x.safetensors", 1, 1, {"<s0>"}), write("y.safetensors", 1, 2, {"<s0>"})};
  EXPECT_NE(message_of([&] { draw(bad, "two"); }).find("another file has the token '<s0>'"),
            std::string::npos);
}

TEST_F(EmbeddingUse, ColumnsHaveTheirOwn) {
  const std::string all = write("all.safetensors", 2, 1, {"<s0>", "<s1>"});
  const std::string own = write("own.safetensors", 2, 2, {"<s0>", "<s1>"});
  CompareRequest grid;
  grid.pretrained_model_name_or_path = base_path();
  grid.prompt = {"a <s0><s1> icon"};
  grid.num_inference_steps = 2;
  grid.guidance_scale = 3;
  grid.height = grid.width = 64;
  grid.device = "cpu";
  const std::string adapter =
      write_random_adapter(folder_.path() / "lora.safetensors", "lora", false, 1);
  grid.column = {"A=" + adapter, "B=" + adapter, "C=" + adapter};
  grid.embedding = {"base=" + all, "A=" + all, "B=" + own};
  grid.output = (folder_.path() / "sheet.png").string();
  Recorder recorder;
  const CompareReport report = compare(grid, recorder, {});
  ASSERT_EQ(report.pictures.size(), 4u);
  SampleRequest one = request();
  EXPECT_FALSE(pixels(report.pictures[0]) == pixels(draw(one, "plain")));
  one.adapter_path = {adapter};
  EXPECT_TRUE(pixels(report.pictures[3]) == pixels(draw(one, "c")));
  one.embedding = {all};
  EXPECT_TRUE(pixels(report.pictures[1]) == pixels(draw(one, "a")));
  one.embedding = {own};
  EXPECT_TRUE(pixels(report.pictures[2]) == pixels(draw(one, "b")));
  grid.embedding = {"D=" + all};
  EXPECT_NE(message_of([&] { compare(grid, recorder, {}); }).find("no column is called 'D'"),
            std::string::npos);
}

TEST_F(EmbeddingUse, WhatARunWroteHasTheEmbeddingsBesideIt) {
  const fs::path run = folder_.path() / "run";
  for (const char* checkpoint : {"checkpoint-1", "checkpoint-2"}) {
    write("run/" + std::string(checkpoint) + "/run_emb.safetensors", 1, 1, {"<s0>"});
    write_random_adapter(run / checkpoint / "pytorch_lora_weights.safetensors", "lora", false, 1);
  }
  CompareRequest grid;
  grid.sweep_checkpoints = {run.string()};
  const std::vector<CompareColumn> columns = compare_columns(grid);
  ASSERT_EQ(columns.size(), 3u);
  EXPECT_TRUE(columns[0].embeddings.empty());
  ASSERT_EQ(columns[2].embeddings.size(), 1u);
  EXPECT_EQ(columns[2].embeddings[0].path, (run / "checkpoint-2/run_emb.safetensors").string());
  EXPECT_EQ(cell_request(grid, columns[2]).embedding.size(), 1u);
  const std::string adapter = (run / "checkpoint-1/pytorch_lora_weights.safetensors").string();
  grid.sweep_checkpoints.clear();
  grid.column = {"A=" + (run / "checkpoint-1").string(), "B=" + adapter};
  grid.embedding = {"B=other.safetensors"};
  const std::vector<CompareColumn> named = compare_columns(grid);
  EXPECT_EQ(named[1].embeddings.at(0).path, (run / "checkpoint-1/run_emb.safetensors").string());
  EXPECT_EQ(named[2].embeddings.at(0).path, "other.safetensors");
}

}  // namespace
}  // namespace dorabooth::testing::embedding_use_test
