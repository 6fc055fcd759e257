// Pictures with a mark drawn on each, a frame and a badge: material for asking whether an adapter
// learns a small detail that all its pictures share. pipelines/match_pictures.h answers.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct MarkRequest {
  std::string instance_data_dir;
  std::string background_color = "white";
  std::string frame = "#1f4e9e";  // a colour, or none
  std::string badge = "#5b21b6";  // likewise
  double frame_percent = 8.0;
  double badge_percent = 26.0;
  std::string output_dir;
};

const FieldList<MarkRequest>& mark_fields();

struct MarkReport {
  int64_t pictures = 0;  // written
  bool stopped = false;  // then nothing is left of them
};

// Writes OUT/pictures/<stem>.png for every picture of the folder, in its sub-folder where a table
// names it there, and what lies beside it (caption files, .crop.json, -masklabel.png) or in
// metadata.jsonl or .csv (all its columns, as metadata.jsonl); OUT/mark.png and OUT/badge.png, the
// mark and the badge alone on transparent ground at the size of the first picture; OUT/mark.json,
// the request. OUT is written whole or not at all; a non-empty one is an error, but for one with a
// mark.json, which is replaced.
MarkReport mark_pictures(const MarkRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
