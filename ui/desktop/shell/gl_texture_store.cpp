// Functions come from GLFW: nothing links libGL, so that a machine without it gets a sentence and
// not a loader's error.
#include "ui/desktop/shell/gl_texture_store.h"

#include <GLFW/glfw3.h>

namespace dorabooth {

namespace {

template <typename Function>
Function* gl_function(const char* name) {
  return reinterpret_cast<Function*>(glfwGetProcAddress(name));
}

class GlTextureStore : public TextureStore {
 public:
  ~GlTextureStore() override { destroy_all(); }

 protected:
  TextureId upload(TextureId id, const Image& image) override {
    GLint bound = 0;
    get_integer_(GL_TEXTURE_BINDING_2D, &bound);
    auto texture = static_cast<GLuint>(id);
    if (id == 0) gen_(1, &texture);
    bind_(GL_TEXTURE_2D, texture);
    pixel_store_(GL_UNPACK_ALIGNMENT, 1);  // rows of RGB8 have no padding
    if (id == 0) {
      parameter_(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
      parameter_(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_LINEAR);
      image_(GL_TEXTURE_2D, 0, GL_RGB8, image.width, image.height, 0, GL_RGB, GL_UNSIGNED_BYTE,
             image.rgb_hwc.data());
    } else {
      sub_image_(GL_TEXTURE_2D, 0, 0, 0, image.width, image.height, GL_RGB, GL_UNSIGNED_BYTE,
                 image.rgb_hwc.data());
    }
    pixel_store_(GL_UNPACK_ALIGNMENT, 4);
    bind_(GL_TEXTURE_2D, static_cast<GLuint>(bound));
    return texture;
  }

  void destroy(TextureId id) override {
    const auto texture = static_cast<GLuint>(id);
    delete_(1, &texture);
  }

 private:
  decltype(glGetIntegerv)* get_integer_ = gl_function<decltype(glGetIntegerv)>("glGetIntegerv");
  decltype(glGenTextures)* gen_ = gl_function<decltype(glGenTextures)>("glGenTextures");
  decltype(glDeleteTextures)* delete_ = gl_function<decltype(glDeleteTextures)>("glDeleteTextures");
  decltype(glBindTexture)* bind_ = gl_function<decltype(glBindTexture)>("glBindTexture");
  decltype(glPixelStorei)* pixel_store_ = gl_function<decltype(glPixelStorei)>("glPixelStorei");
  decltype(glTexParameteri)* parameter_ = gl_function<decltype(glTexParameteri)>("glTexParameteri");
  decltype(glTexImage2D)* image_ = gl_function<decltype(glTexImage2D)>("glTexImage2D");
  decltype(glTexSubImage2D)* sub_image_ = gl_function<decltype(glTexSubImage2D)>("glTexSubImage2D");
};

}  // namespace

std::unique_ptr<TextureStore> gl_texture_store() { return std::make_unique<GlTextureStore>(); }

}  // namespace dorabooth
