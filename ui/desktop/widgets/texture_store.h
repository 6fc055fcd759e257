// Pictures on the graphics card, by the cell that shows them. Views ask for a cell's texture every
// frame; what is new is uploaded a few at a time, what no view asks for any more is deleted. Main
// thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "src/base/image.h"

namespace dorabooth {

using TextureId = uint64_t;  // 0: none

struct Texture {
  TextureId id = 0;  // 0 until it was uploaded: draw a placeholder
  int width = 0;
  int height = 0;
};

class TextureStore {
 public:
  static constexpr size_t kBytesPerFrame = size_t{16} << 20;  // at least one picture is uploaded
  static constexpr int kFramesUnused = 60;  // a cell is deleted after that many frames unasked

  virtual ~TextureStore() = default;
  TextureStore() = default;
  TextureStore(const TextureStore&) = delete;
  TextureStore& operator=(const TextureStore&) = delete;

  // The texture of `cell`, which shows `image`. The same pointer is not uploaded again; a picture
  // that is newer than the texture appears in a later frame, and until then the older one stays.
  Texture show(const std::string& cell, const std::shared_ptr<const Image>& image);
  // After the views were drawn: uploads within the budget, deletes what was not asked for.
  void end_frame();
  // Something is still to be uploaded: draw another frame.
  bool pending() const { return pending_; }
  size_t size() const { return cells_.size(); }

 protected:
  // `id` 0 makes a texture of that size; another id has the same size and is filled anew.
  virtual TextureId upload(TextureId id, const Image& image) = 0;
  virtual void destroy(TextureId id) = 0;
  // To be called by the destructor of the class that implements destroy().
  void destroy_all();

 private:
  struct Cell {
    Texture texture;
    std::shared_ptr<const Image> uploaded;
    std::shared_ptr<const Image> wanted;
    int frames_unused = 0;
  };

  void refresh(Cell& cell);

  std::map<std::string, Cell> cells_;
  bool pending_ = false;
};

// Hands out ids and uploads nothing, for tests and headless use.
class NullTextureStore : public TextureStore {
 public:
  ~NullTextureStore() override { destroy_all(); }
  int uploads = 0;
  int alive = 0;

 protected:
  TextureId upload(TextureId id, const Image& image) override;
  void destroy(TextureId id) override;

 private:
  TextureId next_ = 1;
};

}  // namespace dorabooth
