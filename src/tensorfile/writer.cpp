// SafetensorsWriter: the space is reserved at the start, bytes come in any order by pwrite, and the
// file appears under its name only when it is complete and synced.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// Disjoint, non-adjacent byte ranges [begin, end).
class WrittenRanges {
 public:
  // False if a byte of [begin, end) was there already.
  bool insert(uint64_t begin, uint64_t end) {
    if (begin == end) return true;
    const auto after = ranges_.lower_bound(begin);
    if (after != ranges_.end() && after->first < end) return false;
    const auto before = after == ranges_.begin() ? ranges_.end() : std::prev(after);
    if (before != ranges_.end() && before->second > begin) return false;
    if (after != ranges_.end() && after->first == end) {
      end = after->second;
      ranges_.erase(after);
    }
    if (before != ranges_.end() && before->second == begin) {
      before->second = end;
    } else {
      ranges_.emplace(begin, end);
    }
    return true;
  }

  bool covers(uint64_t size) const {
    return size == 0 ||
           (ranges_.size() == 1 && ranges_.begin()->first == 0 && ranges_.begin()->second == size);
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

struct OpenTensor {
  TensorEntry entry;
  WrittenRanges written;
};

}  // namespace

struct SafetensorsWriter::State {
  explicit State(const fs::path& file) : path(file) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { discard(); }

  void create();
  void reserve(uint64_t bytes);
  void pwrite_all(uint64_t position, std::span<const std::byte> bytes);

  void discard() {
    if (fd >= 0) ::close(fd);
    fd = -1;
    if (!temporary.empty()) ::unlink(temporary.c_str());
    temporary.clear();
  }

  [[noreturn]] void give_up(int code) {
    discard();
    fail("cannot write ", path.string(), " (", bytes_text(size), "): ", std::strerror(code));
  }

  fs::path path;
  fs::path temporary;
  int fd = -1;
  uint64_t size = 0;
  uint64_t data_start = 0;
  std::unordered_map<std::string, OpenTensor> tensors;
};

void SafetensorsWriter::State::create() {
  if (fs::is_directory(path)) fail("cannot write ", path.string(), ": it is a folder");
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) fail("cannot create ", path.parent_path().string(), ": ", error.message());
  // Asked first, because some file systems fill up before a reservation fails.
  require_disk_space(fs::absolute(path).parent_path(), size, path.string());
  for (int attempt = 0; fd < 0; ++attempt) {
    temporary = path;
    temporary += concat(".tmp", ::getpid(), ".", attempt);
    fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) {
      const int code = errno;
      temporary.clear();
      give_up(code);
    }
  }
}

void SafetensorsWriter::State::reserve(uint64_t bytes) {
  int result = -1;
  do {
    result = ::fallocate(fd, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  // File systems without reservation report a full disk at the write instead.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) give_up(errno);
}

void SafetensorsWriter::State::pwrite_all(uint64_t position, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) give_up(n < 0 ? errno : ENOSPC);
    done += static_cast<size_t>(n);
  }
}

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<TensorEntry> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : state_(std::make_unique<State>(path)) {
  const std::string header = format_header(tensors, metadata, path);
  const uint64_t header_bytes = header.size();
  state_->data_start = 8 + header_bytes;
  state_->size = state_->data_start + (tensors.empty() ? 0 : tensors.back().end);
  for (TensorEntry& entry : tensors) {
    const std::string name = entry.name;
    state_->tensors.emplace(name, OpenTensor{std::move(entry), {}});
  }
  state_->create();
  state_->reserve(state_->size);
  state_->pwrite_all(0, std::as_bytes(std::span(&header_bytes, 1)));
  state_->pwrite_all(8, std::as_bytes(std::span(header)));
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(const std::string& name, uint64_t offset,
                              std::span<const std::byte> bytes) {
  const std::string& path = state_->path.string();
  if (state_->fd < 0) fail(path, ": tensor ", quoted_name(name), " written to a closed file");
  const auto found = state_->tensors.find(name);
  if (found == state_->tensors.end()) {
    std::vector<std::string> names;
    for (const auto& [known, tensor] : state_->tensors) names.push_back(known);
    fail(path, ": no tensor ", quoted_name(name), " was announced", did_you_mean(name, names));
  }
  auto& [entry, written] = found->second;
  if (offset > entry.bytes() || bytes.size() > entry.bytes() - offset) {
    fail(path, ": tensor ", quoted_name(name), " has ", entry.bytes(), " bytes; cannot write ",
         bytes.size(), " at ", offset);
  }
  if (!written.insert(offset, offset + bytes.size())) {
    fail(path, ": tensor ", quoted_name(name), ": bytes ", offset, " to ", offset + bytes.size(),
         " were written before");
  }
  state_->pwrite_all(state_->data_start + entry.begin + offset, bytes);
}

void SafetensorsWriter::finish() {
  if (state_->fd < 0) fail(state_->path.string(), ": the file is closed already");
  for (const auto& [name, tensor] : state_->tensors) {
    if (!tensor.written.covers(tensor.entry.bytes())) {
      fail(state_->path.string(), ": not all of the ", tensor.entry.bytes(), " bytes of tensor ",
           quoted_name(name), " were written");
    }
  }
  if (::fsync(state_->fd) != 0) state_->give_up(errno);
  const int closed = ::close(state_->fd);
  state_->fd = -1;
  if (closed != 0) state_->give_up(errno);
  publish(state_->temporary, state_->path);
  state_->temporary.clear();
}

uint64_t SafetensorsWriter::file_size(const std::vector<TensorEntry>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  std::vector<TensorEntry> sorted = tensors;
  const uint64_t header_bytes = format_header(sorted, metadata, "safetensors file").size();
  return 8 + header_bytes + (sorted.empty() ? 0 : sorted.back().end);
}

}  // namespace dorabooth
