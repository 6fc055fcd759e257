// Writing a picture's own caption where it came from: its row of the metadata table, or else the
// caption file beside it. Nothing else in these files changes.
#pragma once

#include <optional>
#include <string>

#include "datasets/image_folder.h"

namespace dorabooth {

// "" takes the caption file away, so that the instance prompt holds again. A
// caption file keeps its other lines, a table its other rows, keys and columns. Errors name the
// file: an empty caption in a table, several lines in a caption file, a file that cannot be
// written.
void save_caption(const ImageFolderRequest& request, const ListedPicture& picture,
                  const std::string& text);

}  // namespace dorabooth
