// Appends through one descriptor and mends a torn write.
#include "src/report/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "src/base/error.h"

namespace dorabooth {

AppendFile::AppendFile(const std::filesystem::path& path, Mode mode) : path_(path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail("cannot create ", path.parent_path().string(), ": ", error.message());
  const int exclusive = mode == Mode::kNew ? O_EXCL : 0;
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | exclusive, 0644);
  if (descriptor_ < 0) fail("cannot open ", path.string(), " for writing: ", std::strerror(errno));
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void AppendFile::append(std::string_view bytes) {
  struct stat before {};
  if (::fstat(descriptor_, &before) != 0)
    fail("cannot write ", path_.string(), ": ", std::strerror(errno));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int code = errno;
      const bool mended = ::ftruncate(descriptor_, before.st_size) == 0;
      fail("cannot write ", path_.string(), ": ", std::strerror(code),
           mended ? "" : " (its last record is incomplete)");
    }
    done += static_cast<size_t>(written);
  }
}

void AppendFile::truncate(uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    fail("cannot truncate ", path_.string(), " to ", size, " bytes: ", std::strerror(errno));
  }
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0) fail("cannot sync ", path_.string(), ": ", std::strerror(errno));
}

}  // namespace dorabooth
