#include "ui/desktop/shell/fonts.h"

#include <imgui.h>

#include <filesystem>

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// Where distributions put them; the first that is there.
constexpr const char* kFallbacks[] = {
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/wenquanyi/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallback.ttf",
};

}  // namespace

std::string installed_cjk_font() {
  std::error_code ignored;
  for (const char* path : kFallbacks) {
    if (fs::exists(path, ignored)) return path;
  }
  return "";
}

void load_fonts(const std::string& assets) {
  ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  const fs::path text = fs::path(assets) / "fonts" / "DejaVuSans.ttf";
  std::error_code ignored;
  if (!fs::exists(text, ignored) || !atlas.AddFontFromFileTTF(text.c_str()))
    atlas.AddFontDefaultVector();
  for (const char* path : kFallbacks) {
    if (!fs::exists(path, ignored)) continue;
    ImFontConfig config;
    config.MergeMode = true;
    // Their lines are higher than the text font's: at one height the letters would be smaller.
    config.ExtraSizeScale = 1.25F;
    // A font with PostScript outlines in a collection may be one that ImGui cannot read.
    config.Flags |= ImFontFlags_NoLoadError;
    ImFont* font = atlas.AddFontFromFileTTF(path, 0, &config);
    if (font && font->IsGlyphInFont(u'한')) break;  // some have Chinese and Japanese only
  }
}

}  // namespace dorabooth
