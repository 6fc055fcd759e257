// Textures in OpenGL, which belongs to the main thread.
#pragma once

#include <memory>

#include "ui/desktop/widgets/texture_store.h"

namespace dorabooth {

// Needs the window's context to be current, now and in every call.
std::unique_ptr<TextureStore> gl_texture_store();

}  // namespace dorabooth
