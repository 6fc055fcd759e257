// Actions on files: asking for them, what was read, what was dropped on the window.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ui/desktop/picker_state.h"

namespace dorabooth {

struct NewProject {};
struct AskForFile {
  FileQuestion question;
};
// The answer of a file dialog.
struct FileChosen {
  FileQuestion question;
  std::string path;
};
// Text of a file that LoadText asked for.
enum class TextUse { kTrainConfig, kPreset, kQuickstart, kMetrics, kPrompts, kProject };
struct TextLoaded {
  TextUse use = TextUse::kTrainConfig;
  std::string path;
  std::string text;
};
struct FilesDropped {
  std::vector<std::string> paths;
};
// What LookAtFolder found a dropped folder to be.
struct FolderLooked {
  std::string folder;
  bool model = false;  // a base or an adapter; else pictures
};
// LookAtPicture found that this program did not draw it.
struct ForeignPictureFound {
  std::string path;
  std::string reason;
};

// The built-in picker.
struct PickerOpened {
  FileQuestion question;
};
struct PickerGo {
  std::string folder;
};
struct PickerName {
  std::string name;
};
struct PickerClosed {
  bool accepted = false;
};
struct FolderListed {
  std::string folder;
  std::vector<FolderEntry> entries;
};

using FileAction = std::variant<NewProject, AskForFile, FileChosen, TextLoaded, FilesDropped,
                                FolderLooked, ForeignPictureFound, PickerOpened, PickerGo,
                                PickerName, PickerClosed, FolderListed>;

}  // namespace dorabooth
