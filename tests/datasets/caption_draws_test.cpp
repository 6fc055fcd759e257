// Captions that are emptied or shuffled from row to row.
#include "datasets/caption_draws.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "datasets/batch_source.h"
#include "tests/datasets/example_sets.h"

namespace dorabooth::caption_draws_test {
namespace {

std::string draw(const CaptionOptions& options, const std::string& caption, int64_t step) {
  return drawn_caption(options, caption, 3, "instance", step, 0);
}

TEST(CaptionDraws, PlainOptionsLeaveItAlone) { EXPECT_EQ(draw({}, " a ,b,, c", 5), " a ,b,, c"); }

TEST(CaptionDraws, AShareIsEmpty) {
  CaptionOptions options;
  options.empty_share = 0.25;
  int empty = 0;
  for (int64_t step = 0; step < 2000; ++step) empty += draw(options, "a", step).empty() ? 1 : 0;
  EXPECT_NEAR(empty, 500, 60);
  options.empty_share = 1;
  EXPECT_EQ(draw(options, "a", 0), "");
}

TEST(CaptionDraws, ShufflingKeepsTheFirstPartsAndAllOthers) {
  CaptionOptions options;
  options.shuffle = true;
  options.keep_tokens = 2;
  std::set<std::string> seen;
  for (int64_t step = 0; step < 200; ++step) {
    const std::string drawn = draw(options, "sks dog,  photo, red, green ,blue", step);
    EXPECT_TRUE(drawn.starts_with("sks dog, photo, ")) << drawn;
    EXPECT_EQ(drawn.size(), std::string("sks dog, photo, red, green, blue").size()) << drawn;
    for (const char* part : {"red", "green", "blue"}) {
      EXPECT_NE(drawn.find(part), std::string::npos) << drawn;
    }
    EXPECT_EQ(draw(options, "sks dog,  photo, red, green ,blue", step), drawn);
    seen.insert(drawn);
  }
  EXPECT_EQ(seen.size(), 6u);  // 3! orders
  options.keep_tokens = 9;
  EXPECT_EQ(draw(options, "a, b", 0), "a, b");
}

TEST(CaptionDraws, AnotherSeparatorIsTaken) {
  CaptionOptions options;
  options.shuffle = true;
  options.separator = " | ";
  const std::string drawn = draw(options, "one, two | three", 1);
  EXPECT_TRUE(drawn == "one, two |  three" || drawn == "three |  one, two") << drawn;
}

TEST(BatchSource, OneOfACaptionsAlternativesIsDrawn) {
  ExampleSet set;
  set.examples = {testing::example_of("a"), testing::example_of("b")};
  set.examples[0].alternatives = {"a2", "a3"};
  const BatchSource source(set, std::nullopt, testing::batches_of(2));
  EXPECT_EQ(source.captions(), (std::vector<std::string>{"a", "b", "a2", "a3"}));
  std::map<std::string, int> seen;
  for (int64_t step = 0; step < 900; ++step) {
    for (const std::string& caption : source.batch(step).captions) ++seen[caption];
    EXPECT_EQ(source.batch(step).captions, source.batch(step).captions);
  }
  EXPECT_EQ(seen["b"], 900);
  for (const char* caption : {"a", "a2", "a3"}) EXPECT_NEAR(seen[caption], 300, 60) << caption;
}

TEST(BatchSource, ClassCaptionsStayAndTheEmptyOneIsListed) {
  ExampleSet instance;
  instance.examples = {testing::example_of("a, b"), testing::example_of("c, d")};
  ExampleSet of_class;
  of_class.examples = {testing::example_of("x, y"), testing::example_of("x, y")};
  BatchOptions options = testing::batches_of(2);
  options.captions.empty_share = 1;
  const BatchSource source(instance, of_class, options);
  const std::vector<std::string> captions = source.batch(0).captions;
  EXPECT_EQ(captions, (std::vector<std::string>{"", "", "x, y", "x, y"}));
  const auto listed = source.captions();
  EXPECT_NE(std::find(listed.begin(), listed.end(), ""), listed.end());
}

}  // namespace
}  // namespace dorabooth::caption_draws_test
