// The system's file dialogs, which never block: opened, then polled once a frame.
#pragma once

#include <optional>
#include <string>

#include "ui/desktop/picker_state.h"

namespace dorabooth {

struct FileAnswer {
  FileQuestion question;
  std::string path;
};

class FileDialogs {
 public:
  virtual ~FileDialogs() = default;
  // False where the system has none: the built-in picker asks instead.
  virtual bool available() const = 0;
  virtual void open(const FileQuestion& question) = 0;
  // The answer, once; a dialog that was cancelled has none.
  virtual std::optional<FileAnswer> poll() = 0;
  // A dialog is open: look again soon.
  virtual bool waiting() const = 0;
};

}  // namespace dorabooth
