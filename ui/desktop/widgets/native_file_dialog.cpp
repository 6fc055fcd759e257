#include "ui/desktop/widgets/native_file_dialog.h"

#include <portable_file_dialogs.h>

namespace dorabooth {

namespace {

class NativeFileDialogs : public FileDialogs {
 public:
  bool available() const override { return pfd::settings::available(); }

  void open(const FileQuestion& question) override {
    question_ = question;
    file_.reset();
    folder_.reset();
    save_.reset();
    switch (question.kind) {
      case FileQuestionKind::kOpenFile:
        file_ = std::make_unique<pfd::open_file>(question.title, question.start);
        break;
      case FileQuestionKind::kOpenFolder:
        folder_ = std::make_unique<pfd::select_folder>(question.title, question.start);
        break;
      case FileQuestionKind::kSaveFile:
        save_ = std::make_unique<pfd::save_file>(question.title, question.start);
        break;
    }
  }

  std::optional<FileAnswer> poll() override {
    std::string path;
    if (file_ && file_->ready(0)) {
      const auto paths = file_->result();
      path = paths.empty() ? "" : paths.front();
      file_.reset();
    } else if (folder_ && folder_->ready(0)) {
      path = folder_->result();
      folder_.reset();
    } else if (save_ && save_->ready(0)) {
      path = save_->result();
      save_.reset();
    }
    if (path.empty()) return std::nullopt;
    return FileAnswer{question_, path};
  }

  bool waiting() const override { return file_ || folder_ || save_; }

 private:
  FileQuestion question_;
  std::unique_ptr<pfd::open_file> file_;
  std::unique_ptr<pfd::select_folder> folder_;
  std::unique_ptr<pfd::save_file> save_;
};

}  // namespace

std::unique_ptr<FileDialogs> native_file_dialogs() { return std::make_unique<NativeFileDialogs>(); }

}  // namespace dorabooth
