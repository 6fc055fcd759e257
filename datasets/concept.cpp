// Concepts from settings, from a list, from folder names.
#include "datasets/concept.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "datasets/loss_mask.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct KohyaName {
  int64_t repeats = 0;
  std::string caption;
};

// "10_sks dog"; nothing for other names.
std::optional<KohyaName> kohya_name(const std::string& name) {
  const size_t line = name.find('_');
  if (line == std::string::npos || line == 0 || line > 6 || line + 1 == name.size()) return {};
  const std::string digits = name.substr(0, line);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return {};
  const int64_t repeats = std::stoll(digits);
  if (repeats < 1) return {};
  return KohyaName{repeats, name.substr(line + 1)};
}

std::vector<fs::path> sub_folders(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
      folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

bool has_table(const fs::path& folder) {
  return fs::exists(folder / "metadata.jsonl") || fs::exists(folder / "metadata.csv");
}

// kohya's sub-folders of a folder that has nothing else to learn from, with what their names say.
std::vector<std::pair<fs::path, KohyaName>> kohya_folders(const std::string& folder,
                                                          std::vector<std::string>* notes) {
  std::vector<std::pair<fs::path, KohyaName>> found;
  if (folder.empty() || !fs::is_directory(folder)) return found;
  if (has_table(folder) || !list_pictures(folder).empty()) return found;
  std::string others;
  for (const fs::path& path : sub_folders(folder)) {
    const std::string name = path.filename().string();
    if (const auto said = kohya_name(name)) {
      found.emplace_back(path, *said);
    } else {
      others += (others.empty() ? "" : ", ") + name;
    }
  }
  if (!found.empty() && !others.empty() && notes) {
    notes->push_back(
        concat(folder, ": only sub-folders with names like '10_sks dog' are read, not: ", others));
  }
  return found;
}

fs::path resolved(const fs::path& base, const std::string& path) {
  return fs::path(path).is_absolute() ? fs::path(path) : base / path;
}

}  // namespace

const FieldList<Concept>& concept_fields() {
  static const FieldList<Concept> list = [] {
    FieldList<Concept> f;
    f.group("Concept");
    f.add("instance_data_dir", &Concept::instance_data_dir, "Folder with the pictures.");
    f.add("instance_prompt", &Concept::instance_prompt, "Prompt of pictures without a caption.");
    f.add("caption_column", &Concept::caption_column, "Caption key of the metadata table.");
    f.add("repeats", &Concept::repeats, "How often a picture occurs in one epoch.")
        .at_least(1)
        .at_most(100000);
    f.add("loss_weight", &Concept::loss_weight, "Weight of its pictures in the loss.").at_least(0);
    f.add("mask_data_dir", &Concept::mask_data_dir, "Folder of masks with the pictures' names.");
    f.add("class_data_dir", &Concept::class_data_dir, "Folder of class pictures.");
    f.add("class_prompt", &Concept::class_prompt, "Prompt of the class pictures.");
    f.add("num_class_images", &Concept::num_class_images,
          "How many class pictures there should be.")
        .at_least(1);
    return f;
  }();
  return list;
}

std::vector<Concept> read_concepts(const fs::path& file) {
  const json values = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!values.is_array() || values.empty()) {
    fail(file.string(), ": want a JSON array of concepts, each with an instance_data_dir");
  }
  const fs::path base = file.parent_path();
  std::vector<Concept> concepts;
  for (const json& value : values) {
    const std::string where = concat(file.string(), " concept ", concepts.size() + 1);
    if (!value.is_object()) fail(where, ": want an object, got ", value.dump());
    Concept one;
    concept_fields().from_json(&one, value, where);
    if (one.instance_data_dir.empty()) fail(where, ": no instance_data_dir");
    one.instance_data_dir = resolved(base, one.instance_data_dir).string();
    if (one.class_data_dir) one.class_data_dir = resolved(base, *one.class_data_dir).string();
    if (one.mask_data_dir) one.mask_data_dir = resolved(base, *one.mask_data_dir).string();
    concepts.push_back(std::move(one));
  }
  return concepts;
}

std::vector<Concept> expand_folders(const std::vector<Concept>& concepts,
                                    std::vector<std::string>* notes) {
  std::vector<Concept> result;
  for (const Concept& one : concepts) {
    const auto folders = kohya_folders(one.instance_data_dir, notes);
    if (folders.empty()) result.push_back(one);
    for (const auto& [path, name] : folders) {
      Concept part = one;
      part.instance_data_dir = path.string();
      part.repeats = one.repeats * name.repeats;
      part.folder_caption = name.caption;
      result.push_back(std::move(part));
    }
  }
  return result;
}

ImageFolderRequest folder_request(const Concept& one) {
  return {one.instance_data_dir, one.caption_column, one.instance_prompt, one.folder_caption};
}

ImageFolder read_concept(const Concept& one) {
  ImageFolder folder = read_image_folder(folder_request(one));
  for (CaptionedPicture& picture : folder.pictures) {
    picture.repeats = one.repeats;
    picture.loss_weight = one.loss_weight;
    picture.class_prompt = one.class_prompt;
    picture.mask = mask_file_of(picture.path, one.mask_data_dir);
  }
  return folder;
}

ImageFolder read_class_pictures(const Concept& one) {
  ImageFolder result;
  const auto add = [&](const fs::path& path, const std::optional<std::string>& caption,
                       int64_t repeats) {
    ImageFolder folder = read_image_folder({path, std::nullopt, one.class_prompt, caption});
    const auto limit = static_cast<size_t>(one.num_class_images);
    if (folder.pictures.size() > limit) folder.pictures.resize(limit);
    for (CaptionedPicture& picture : folder.pictures) picture.repeats = repeats;
    result.notes.insert(result.notes.end(), folder.notes.begin(), folder.notes.end());
    result.pictures.insert(result.pictures.end(), folder.pictures.begin(), folder.pictures.end());
  };
  const auto folders = kohya_folders(*one.class_data_dir, &result.notes);
  if (folders.empty()) add(*one.class_data_dir, std::nullopt, 1);
  for (const auto& [path, name] : folders) add(path, name.caption, name.repeats);
  return result;
}

}  // namespace dorabooth
