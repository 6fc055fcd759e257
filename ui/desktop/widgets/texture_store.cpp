#include "ui/desktop/widgets/texture_store.h"

namespace dorabooth {

Texture TextureStore::show(const std::string& cell_id, const std::shared_ptr<const Image>& image) {
  Cell& cell = cells_[cell_id];
  cell.wanted = image;
  cell.frames_unused = 0;
  return cell.texture;
}

void TextureStore::end_frame() {
  size_t bytes = 0;
  pending_ = false;
  for (auto entry = cells_.begin(); entry != cells_.end();) {
    Cell& cell = entry->second;
    if (++cell.frames_unused > kFramesUnused) {
      if (cell.texture.id != 0) destroy(cell.texture.id);
      entry = cells_.erase(entry);
      continue;
    }
    ++entry;
    if (!cell.wanted || cell.wanted->empty() || cell.wanted == cell.uploaded) continue;
    pending_ = true;  // the texture is seen in the next frame
    const size_t size = cell.wanted->rgb_hwc.size();
    if (bytes > 0 && bytes + size > kBytesPerFrame) continue;
    bytes += size;
    refresh(cell);
  }
}

void TextureStore::refresh(Cell& cell) {
  const Image& image = *cell.wanted;
  Texture& texture = cell.texture;
  const bool fits = texture.width == image.width && texture.height == image.height;
  if (texture.id != 0 && !fits) {
    destroy(texture.id);
    texture.id = 0;
  }
  texture = {upload(texture.id, image), image.width, image.height};
  cell.uploaded = cell.wanted;
}

void TextureStore::destroy_all() {
  for (auto& [name, cell] : cells_) {
    if (cell.texture.id != 0) destroy(cell.texture.id);
  }
  cells_.clear();
}

TextureId NullTextureStore::upload(TextureId id, const Image&) {
  ++uploads;
  if (id != 0) return id;
  ++alive;
  return next_++;
}

void NullTextureStore::destroy(TextureId) { --alive; }

}  // namespace dorabooth
