// One small JSON file a picture, through the field list.
#include "datasets/crop_rectangle.h"

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

const FieldList<CropRectangle>& crop_rectangle_fields() {
  static const FieldList<CropRectangle> list = [] {
    constexpr auto kSide = static_cast<double>(kMaxPictureSide);
    FieldList<CropRectangle> f;
    f.group("Crop");
    f.add("left", &CropRectangle::left, "First column of the part that is used.")
        .at_least(0)
        .at_most(kSide);
    f.add("top", &CropRectangle::top, "First row of the part that is used.")
        .at_least(0)
        .at_most(kSide);
    f.add("width", &CropRectangle::width, "Columns that are used.").at_least(1).at_most(kSide);
    f.add("height", &CropRectangle::height, "Rows that are used.").at_least(1).at_most(kSide);
    return f;
  }();
  return list;
}

fs::path crop_file_of(const fs::path& picture) {
  return fs::path(picture).replace_extension(".crop.json");
}

void check_crop_rectangle(const CropRectangle& r, PictureSize size, const std::string& where) {
  const bool inside = r.left >= 0 && r.top >= 0 && r.width >= 1 && r.height >= 1 &&
                      r.left + r.width <= size.width && r.top + r.height <= size.height;
  if (inside) return;
  fail(where, ": the crop at left ", r.left, ", top ", r.top, " of ", r.width, "x", r.height,
       " pixels is not inside the picture of ", size.width, "x", size.height);
}

std::optional<CropRectangle> read_crop_rectangle(const fs::path& picture) {
  const fs::path path = crop_file_of(picture);
  if (!fs::exists(path)) return std::nullopt;
  const json values = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!values.is_object()) fail(path.string(), ": want a JSON object");
  for (const std::string& name : crop_rectangle_fields().names()) {
    if (!values.contains(name)) fail(path.string(), ": no ", name);
  }
  CropRectangle rectangle;
  crop_rectangle_fields().from_json(&rectangle, values, path.string());
  return rectangle;
}

void save_crop_rectangle(const fs::path& picture, const std::optional<CropRectangle>& rectangle) {
  const fs::path path = crop_file_of(picture);
  if (!rectangle) {
    std::error_code error;
    fs::remove(path, error);
    if (error) fail("cannot remove ", path.string(), ": ", error.message());
    return;
  }
  check_crop_rectangle(*rectangle, probe_size(picture), picture.string());
  // The names' order is the field list's.
  nlohmann::ordered_json values;
  for (const Field& field : crop_rectangle_fields().fields())
    values[field.name] = crop_rectangle_fields().get(&*rectangle, field).get<int64_t>();
  write_file_atomically(path, values.dump() + "\n");
}

}  // namespace dorabooth
