// POSIX calls, so that write errors and fsync are seen (a full disk shows there, not at close).
#include "src/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iomanip>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_errno(std::string_view action, const fs::path& path) {
  fail(action, " ", path.string(), ": ", std::strerror(errno));
}

}  // namespace

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  fs::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail_errno("cannot create", temporary);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int code = errno;
      ::close(fd);
      ::unlink(temporary.c_str());
      errno = code;
      fail_errno("cannot write", path);
    }
    done += static_cast<size_t>(n);
  }
  const bool synced = ::fsync(fd) == 0;
  const int code = errno;
  ::close(fd);
  if (!synced) {
    ::unlink(temporary.c_str());
    errno = code;
    fail_errno("cannot write", path);
  }
  publish(temporary, path);
}

std::string read_file(const fs::path& path) {
  if (fs::is_directory(path)) fail("cannot read ", path.string(), ": it is a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("cannot read ", path.string(), ": ", std::strerror(errno));
  std::ostringstream out;
  out << in.rdbuf();
  if (in.bad()) fail("cannot read ", path.string(), ": ", std::strerror(errno));
  return std::move(out).str();
}

void publish(const fs::path& temporary, const fs::path& path) {
  fs::path aside;
  if (fs::is_directory(path)) {
    aside = path;
    aside += ".old" + std::to_string(::getpid());
    fs::rename(path, aside);
  }
  std::error_code error;
  fs::rename(temporary, path, error);
  if (error)
    fail("cannot rename ", temporary.string(), " to ", path.string(), ": ", error.message());
  sync_path(path.has_parent_path() ? path.parent_path() : fs::path("."));
  if (!aside.empty()) fs::remove_all(aside);
}

void sync_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno("cannot open", path);
  const int result = ::fsync(fd);
  const int code = errno;
  ::close(fd);
  errno = code;
  if (result != 0) fail_errno("cannot sync", path);
}

uint64_t free_disk_bytes(const fs::path& folder) {
  fs::path existing = fs::absolute(folder);
  while (!fs::exists(existing) && existing.has_parent_path()) existing = existing.parent_path();
  return fs::space(existing).available;
}

void require_disk_space(const fs::path& folder, uint64_t bytes, std::string_view what) {
  const uint64_t available = free_disk_bytes(folder);
  if (available < bytes) {
    fail(what, " needs ", bytes_text(bytes), " in ", folder.string(), ", but only ",
         bytes_text(available), " are free there");
  }
}

std::string bytes_text(uint64_t bytes) {
  const char* units[] = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(unit == 0 ? 0 : 1) << value << " " << units[unit];
  return out.str();
}

}  // namespace dorabooth
