// The letters that the program's own texts and a person's prompts are written in.
#include "ui/desktop/shell/fonts.h"

#include <gtest/gtest.h>
#include <imgui.h>
#include <imgui_impl_null.h>

#include "tests/support/fixtures.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/missing_glyphs.h"

namespace dorabooth::testing::fonts_e2e_test {
namespace {

class Fonts : public ::testing::Test {
 protected:
  Fonts() {
    ImGui::CreateContext();
    ImGui::GetIO().IniFilename = nullptr;
    ImGui::GetIO().DisplaySize = {1280, 720};
    ImGui_ImplNull_Init();
    load_fonts((source_dir() / "assets").string());
    apply_theme("dark", 1);
    ImGui_ImplNull_NewFrame();
    ImGui::NewFrame();
  }
  ~Fonts() override {
    ImGui::Render();
    ImGui_ImplNull_Shutdown();
    ImGui::DestroyContext();
  }

  // An outline and not only a place in the font's table.
  static bool is_drawn(ImWchar letter) {
    ImFontGlyph* glyph = ImGui::GetFontBaked()->FindGlyphNoFallback(letter);
    return glyph && glyph->Visible && glyph->X1 > glyph->X0 && glyph->Y1 > glyph->Y0;
  }
};

TEST_F(Fonts, DrawTheProgramsOwnSignsAndEuropeanLetters) {
  for (const ImWchar letter : {u'A', u'·', u'★', u'…', u'×', u'ä', u'ß', u'é', u'Ж', u'λ'})
    EXPECT_TRUE(is_drawn(letter)) << static_cast<int>(letter);
  EXPECT_EQ(missing_glyphs_note("Ein grüner Käfer · Жук"), "");
}

TEST_F(Fonts, DrawChineseJapaneseAndKoreanOrSayWhatIsMissing) {
  const bool installed = !installed_cjk_font().empty();
  for (const auto& [letter, text] : std::vector<std::pair<ImWchar, std::string>>{
           {u'猫', "一只猫"}, {u'の', "犬の写真"}, {u'개', "개 사진"}}) {
    const std::string note = missing_glyphs_note("a photo, " + text);
    EXPECT_EQ(note.empty(), is_drawn(letter)) << text;
    EXPECT_EQ(note.find("fonts-noto-cjk") == std::string::npos, is_drawn(letter)) << note;
    // A few fonts lack Korean.
    if (letter != u'개') {
      EXPECT_EQ(is_drawn(letter), installed) << text;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::fonts_e2e_test
