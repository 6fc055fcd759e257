// TensorBoard event files: scalars and pictures by step, as TFRecords of protobuf messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "src/report/append_file.h"

namespace dorabooth {

class TensorboardFile {
 public:
  // Starts a file of its own in `folder`. TensorBoard shows all files of a folder as one run: where
  // there are earlier ones, it is told to forget their steps after `last_step`, at which this run
  // resumes, or all of them where that is 0.
  explicit TensorboardFile(const std::filesystem::path& folder, int64_t last_step = 0);

  const std::filesystem::path& path() const { return file_.path(); }

  void scalar(int64_t step, const std::string& tag, float value);
  // `encoded` is a whole PNG or JPEG file of an RGB picture.
  void picture(int64_t step, const std::string& tag, int width, int height,
               std::string_view encoded);

 private:
  void append_record(const std::string& message);

  AppendFile file_;
};

}  // namespace dorabooth
