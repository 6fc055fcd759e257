// portable-file-dialogs: zenity, kdialog or the desktop's portal, as programs of their own.
#pragma once

#include <memory>

#include "ui/desktop/widgets/file_dialog.h"

namespace dorabooth {

std::unique_ptr<FileDialogs> native_file_dialogs();

}  // namespace dorabooth
