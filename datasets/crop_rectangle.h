// The part of a picture that a person chose to be trained on, kept beside the picture: dog.png has
// it in dog.crop.json, {"left": 10, "top": 0, "width": 512, "height": 512}. Pixels of the picture
// as it is seen, after its EXIF orientation was applied.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "src/config/field_list.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

struct CropRectangle {
  int64_t left = 0;
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;

  bool operator==(const CropRectangle&) const = default;
};

const FieldList<CropRectangle>& crop_rectangle_fields();

std::filesystem::path crop_file_of(const std::filesystem::path& picture);

// Throws unless the rectangle lies inside a picture of that size; `where` opens the message.
void check_crop_rectangle(const CropRectangle& rectangle, PictureSize size,
                          const std::string& where);

// Nothing without such a file. Errors name the file: not JSON, an unknown or missing key, a value
// out of bounds. Whether it lies inside the picture is not known here.
std::optional<CropRectangle> read_crop_rectangle(const std::filesystem::path& picture);

// Written whole or not at all, after it was checked against the picture; nothing removes the file.
void save_crop_rectangle(const std::filesystem::path& picture,
                         const std::optional<CropRectangle>& rectangle);

}  // namespace dorabooth
