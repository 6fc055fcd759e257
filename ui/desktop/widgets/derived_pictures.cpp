#include "ui/desktop/widgets/derived_pictures.h"

#include <imgui.h>

#include "ui/desktop/picture_math.h"

namespace dorabooth {

namespace {

constexpr int kFramesUnused = 60;

}  // namespace

template <typename Compute>
DerivedPictures::Picture DerivedPictures::get(const Picture& a, const Picture& b, double parameter,
                                              Compute compute) {
  const int frame = ImGui::GetFrameCount();
  std::erase_if(kept_, [&](const auto& item) { return frame - item.second.frame > kFramesUnused; });
  Kept& kept = kept_[{a.get(), b.get(), parameter}];
  kept.frame = frame;
  if (!kept.result) {
    kept.a = a;
    kept.b = b;
    kept.result = std::make_shared<const Image>(compute());
    ++computed;
  }
  return kept.result;
}

DerivedPictures::Picture DerivedPictures::difference(const Picture& a, const Picture& b,
                                                     double gain) {
  return get(a, b, gain, [&] { return picture_difference(*a, *b, gain); });
}

DerivedPictures::Picture DerivedPictures::reduced(const Picture& picture, int levels) {
  if (levels <= 0) return picture;
  const Picture larger = reduced(picture, levels - 1);
  return get(larger, nullptr, 0, [&] { return half_picture(*larger); });
}

}  // namespace dorabooth
