// Told by name: what is_ignored_key() and is_marker_key() know, without whole models.
#include "src/model/side_tensors.h"

#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

bool is_side_key(const std::string& name) {
  for (const char* front : {"model_ema.", "loss.", "first_stage_model.loss."}) {
    if (name.starts_with(front)) return false;
  }
  return is_ignored_key(name) || is_marker_key(name);
}

}  // namespace

SideTensors side_tensors(const Checkpoint& checkpoint) {
  SideTensors side;
  std::shared_ptr<const SafetensorsFile> file = checkpoint.single_file();
  const bool of_folder = !file;
  if (of_folder) {
    const std::filesystem::path path = checkpoint.path() / kSideTensorsName;
    if (!std::filesystem::exists(path)) return side;
    file = std::make_shared<const SafetensorsFile>(path);
  }
  side.found = true;
  side.metadata = file->metadata();
  for (const TensorEntry& entry : file->entries()) {
    if (is_side_key(entry.name)) {
      side.tensors.push_back(make_stored_tensor(file, entry, entry.name, {}));
    } else if (of_folder) {
      fail(file->path().string(), ": ", quoted_name(entry.name),
           " is no tensor that a single file has beside its models");
    }
  }
  return side;
}

}  // namespace dorabooth
