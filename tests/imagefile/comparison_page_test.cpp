// The page of a comparison: well-formed, escaped, and in need of nothing else.
#include "src/imagefile/comparison_page.h"

#include <gtest/gtest.h>

#include <regex>
#include <vector>

#include "tests/support/fixtures.h"

namespace dorabooth::comparison_page_test {
namespace {

ComparisonPage page_of(const std::string& prompt) {
  ComparisonPage page;
  page.title = "Comparison";
  page.settings = "base · 25 steps";
  page.columns = {"base", "DoRA"};
  page.rows = {{prompt, "seed 0", {{"Man", ""}, {"Ma", "strength 0.5"}}},
               {prompt, "seed 1", {{"M", ""}, {"", ""}}}};
  return page;
}

// Every tag is closed in order; what stands outside of tags has no raw '<' or '&'.
void expect_well_formed(const std::string& html) {
  static const std::regex tag(R"re(<(/?)([a-z0-9]+)((?:\s+[a-z-]+="[^"<]*")*)\s*(/?)>)re");
  std::vector<std::string> open;
  std::string text;
  size_t last = html.find('\n') + 1;  // after the doctype
  for (std::sregex_iterator it(html.begin() + static_cast<long>(last), html.end(), tag), end;
       it != end; ++it) {
    text += it->prefix();
    const std::string name = (*it)[2];
    if ((*it)[1].length() > 0) {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    } else if ((*it)[4].length() == 0) {
      open.push_back(name);
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(text.find('<'), std::string::npos);
  static const std::regex raw("&(?!amp;|lt;|gt;|quot;)");
  EXPECT_FALSE(std::regex_search(text, raw));
}

TEST(ComparisonPage, HoldsThePicturesAsDataAndTheTextBesideThem) {
  const std::string html = comparison_page(page_of("a dog"));
  for (const char* part :
       {"data:image/png;base64,TWFu\"", "data:image/png;base64,TWE=\"",
        "data:image/png;base64,TQ==\"", "<th>DoRA</th>", "a dog<br/><small>seed 1</small>",
        "<figcaption>strength 0.5</figcaption>", "<em>not drawn</em>",
        "alt=\"DoRA · strength 0.5 · a dog · seed 0\"", "base · 25 steps"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
}

TEST(ComparisonPage, IsWellFormedWhateverAPromptHolds) {
  expect_well_formed(comparison_page(page_of("a dog")));
  const std::string html =
      comparison_page(page_of("</th><script>alert(1)</script> \"a\" & 'b' \x01 犬"));
  expect_well_formed(html);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  EXPECT_NE(html.find("犬"), std::string::npos);
}

TEST(ComparisonPage, FetchesNothing) {
  const std::string html = comparison_page(page_of("a dog"));
  static const std::regex source(R"re((src|href)="([^"]*)")re");
  for (std::sregex_iterator it(html.begin(), html.end(), source), end; it != end; ++it)
    EXPECT_EQ((*it)[2].str().rfind("data:", 0), 0u) << (*it)[2];
  for (const char* word : {"url(", "@import", "<link", "fetch("})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
}

TEST(ComparisonPage, WantsACellForEachColumn) {
  ComparisonPage page = page_of("a dog");
  page.rows[1].cells.pop_back();
  EXPECT_NE(testing::message_of([&] { comparison_page(page); }).find("row 1"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::comparison_page_test
