// A question for a file or folder, and the built-in picker that asks it where the system has no
// file dialog.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ui/desktop/form_state.h"

namespace dorabooth {

enum class FileQuestionKind { kOpenFile, kOpenFolder, kSaveFile };

// What the answer is for.
enum class FileUse {
  kSetField,         // of `form`
  kAddToField,       // a list
  kLoadTrainConfig,  // JSON, the train command's keys
  kSaveTrainConfig,
  kOpenProject,
  kSaveProject,
  kInspect,
  kAddColumn,         // an adapter
  kSweepCheckpoints,  // the folder of a training run
  kLoadPrompts,       // text, one prompt a line
  kTakePicture,       // of ours: its settings
  kSaveComparison,    // .png or .html
  kSaveAnalysis,      // .csv or .json
};

struct FileQuestion {
  FileQuestionKind kind = FileQuestionKind::kOpenFile;
  FileUse use = FileUse::kSetField;
  FormId form = FormId::kTrain;
  std::string field;
  std::string title;
  std::string start;  // folder or file to begin at; "" is the home folder
};

struct FolderEntry {
  std::string name;
  bool folder = false;
};

struct PickerState {
  std::optional<FileQuestion> question;  // absent: the picker is closed
  std::string folder;
  std::vector<FolderEntry> entries;
  std::string name;  // the chosen entry, or the name to save under
};

}  // namespace dorabooth
