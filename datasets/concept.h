// What is learned, and from which pictures: a run has one concept, or several (a JSON list of them,
// as the multi-concept DreamBooth scripts read it), or those that kohya's folder names say:
// "10_sks dog" holds pictures of "sks dog" that occur ten times in an epoch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datasets/image_folder.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct Concept {
  std::string instance_data_dir;
  std::optional<std::string> instance_prompt;
  std::optional<std::string> caption_column;
  int64_t repeats = 1;
  double loss_weight = 1.0;
  std::optional<std::string> mask_data_dir;
  std::optional<std::string> class_data_dir;
  std::optional<std::string> class_prompt;
  int64_t num_class_images = 100;

  std::optional<std::string> folder_caption = std::nullopt;  // of kohya's folder name; no setting
};

const FieldList<Concept>& concept_fields();

// A JSON array of objects with the fields' names; relative folders start at the file's own. Errors
// name the file and the concept's number.
std::vector<Concept> read_concepts(const std::filesystem::path& file);

// Where a folder holds no picture and no table of its own but sub-folders named as kohya names
// them, each of those is a concept with the settings of the whole; other concepts stay. `notes`
// gets a sentence on sub-folders that are passed over.
std::vector<Concept> expand_folders(const std::vector<Concept>& concepts,
                                    std::vector<std::string>* notes);

ImageFolderRequest folder_request(const Concept& one);

// The concept's pictures with its repeats, weight, masks and class prompt. A mask folder without a
// mask for one of them is an error.
ImageFolder read_concept(const Concept& one);

// Class pictures that are there: with their captions, else the class prompt or the folder's name;
// at most num_class_images of a folder.
ImageFolder read_class_pictures(const Concept& one);

}  // namespace dorabooth
