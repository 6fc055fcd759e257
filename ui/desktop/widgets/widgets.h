// What a view may use besides ImGui: things that outlive a frame and are not part of the state.
#pragma once

#include "ui/desktop/widgets/derived_pictures.h"
#include "ui/desktop/widgets/texture_store.h"

namespace dorabooth {

struct Widgets {
  TextureStore& textures;
  DerivedPictures derived = {};
};

}  // namespace dorabooth
