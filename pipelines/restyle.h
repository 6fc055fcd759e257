// Flat pictures drawn again in many styles by program, with captions that name the style: material
// from which a base learns that style is something that varies. Also pictures of random shapes, for
// training an autoencoder.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct RestyleRequest {
  std::string instance_data_dir;  // icons on white with their captions
  std::optional<std::string> caption_column;
  std::vector<std::string> style;  // empty: all
  int64_t styles_per_image = 0;    // 0: all of them; else so many drawn for every picture
  int64_t resolution = 128;
  int64_t seed = 0;
  int64_t shapes = 0;  // pictures of random shapes, beside or instead of the others
  std::string output_dir;
};

const FieldList<RestyleRequest>& restyle_fields();

struct RestyleReport {
  int64_t sources = 0;
  int64_t pictures = 0;  // written
  bool stopped = false;  // then nothing is left of them
};

// Writes OUT/<style>/<stem>.png, OUT/shapes/<number>.png, OUT/metadata.jsonl (file_name, text,
// style, concept) and OUT/restyle.json (the request). OUT is written whole or not at all. A
// non-empty OUT is an error, but for one with a restyle.json, which is replaced.
RestyleReport restyle(const RestyleRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
