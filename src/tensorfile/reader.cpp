// SafetensorsFile: the header is read and checked at once, the data is mapped and read on demand.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "src/base/error.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/output_file.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "the container is little-endian");

int64_t TensorEntry::numel() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

struct SafetensorsFile::State {
  explicit State(const fs::path& file) : path(file) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (mapping != MAP_FAILED) ::munmap(mapping, size);
    if (fd >= 0) ::close(fd);
  }

  void open();
  void read_header();
  void pread_all(uint64_t position, std::span<std::byte> out) const;
  void check_owned(const TensorEntry& entry) const;
  void check_owned(const TensorEntry& entry, uint64_t offset, uint64_t count) const;

  fs::path path;
  int fd = -1;
  void* mapping = MAP_FAILED;
  size_t size = 0;
  size_t data_start = 0;
  SafetensorsHeader header;
  std::unordered_map<std::string, size_t> index_of_name;
};

void SafetensorsFile::State::open() {
  // Without O_NONBLOCK a named pipe would hang here.
  fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    fail("cannot open ", path.string(), ": ", std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    fail("cannot open ", path.string(), ": it is ",
         S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  }
  size = static_cast<size_t>(status.st_size);
}

void SafetensorsFile::State::pread_all(uint64_t position, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read ", path.string(), ": ", std::strerror(errno));
    if (n == 0) fail("cannot read ", path.string(), ": it became shorter while it was open");
    done += static_cast<size_t>(n);
  }
}

namespace {

// What a file that is no safetensors file most often is; "" if unknown.
const char* foreign_format(std::string_view start) {
  if (start.starts_with("PK\x03\x04") || start.starts_with("\x80\x02")) {
    return " (it looks like a pickled PyTorch file, which is never loaded)";
  }
  if (start.starts_with("version ")) return " (it looks like a Git LFS pointer, not its content)";
  return "";
}

}  // namespace

void SafetensorsFile::State::read_header() {
  if (size < 8) fail(path.string(), ": ", size, " bytes are too few for a safetensors file (8)");
  uint64_t header_bytes = 0;
  pread_all(0, std::as_writable_bytes(std::span(&header_bytes, 1)));
  const std::string_view start(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes) {
    fail(path.string(), ": the header length ", header_bytes, " exceeds the limit of ",
         kMaxHeaderBytes, " bytes", foreign_format(start));
  }
  if (header_bytes > size - 8) {
    fail(path.string(), ": the header of ", header_bytes, " bytes does not fit in the file of ",
         size, " bytes", foreign_format(start));
  }
  std::string text(header_bytes, '\0');
  pread_all(8, std::as_writable_bytes(std::span(text)));
  data_start = 8 + header_bytes;
  header = parse_header(text, size - data_start, path);
  index_of_name.reserve(header.entries.size());
  for (size_t i = 0; i < header.entries.size(); ++i) {
    index_of_name.emplace(header.entries[i].name, i);
  }
}

void SafetensorsFile::State::check_owned(const TensorEntry& entry) const {
  if (entry.begin > entry.end || entry.end > size - data_start) {
    fail(path.string(), ": the bytes ", entry.begin, " to ", entry.end, " of tensor ",
         quoted_name(entry.name), " are not in this file");
  }
}

void SafetensorsFile::State::check_owned(const TensorEntry& entry, uint64_t offset,
                                         uint64_t count) const {
  check_owned(entry);
  if (offset > entry.bytes() || count > entry.bytes() - offset) {
    fail(path.string(), ": tensor ", quoted_name(entry.name), " has ", entry.bytes(),
         " bytes; cannot read ", count, " at ", offset);
  }
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : state_(std::make_unique<State>(path)) {
  state_->open();
  state_->read_header();
  state_->mapping = ::mmap(nullptr, state_->size, PROT_READ, MAP_PRIVATE, state_->fd, 0);
  if (state_->mapping == MAP_FAILED) {
    fail("cannot map ", path.string(), ": ", std::strerror(errno));
  }
}

SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

const fs::path& SafetensorsFile::path() const { return state_->path; }

const std::vector<TensorEntry>& SafetensorsFile::entries() const { return state_->header.entries; }

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->header.metadata;
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = state_->index_of_name.find(name);
  return found == state_->index_of_name.end() ? nullptr : &state_->header.entries[found->second];
}

const TensorEntry& SafetensorsFile::at(const std::string& name) const {
  if (const TensorEntry* entry = find(name)) return *entry;
  std::vector<std::string> names;
  for (const TensorEntry& entry : entries()) names.push_back(entry.name);
  fail(path().string(), ": no tensor ", quoted_name(name), did_you_mean(name, names));
}

const std::byte* SafetensorsFile::data(const TensorEntry& entry) const {
  state_->check_owned(entry);
  return static_cast<const std::byte*>(state_->mapping) + state_->data_start + entry.begin;
}

void SafetensorsFile::read(const TensorEntry& entry, uint64_t offset,
                           std::span<std::byte> out) const {
  state_->check_owned(entry, offset, out.size());
  state_->pread_all(state_->data_start + entry.begin + offset, out);
}

FileBytes SafetensorsFile::bytes(const TensorEntry& entry, uint64_t offset, uint64_t count) const {
  state_->check_owned(entry, offset, count);
  FileBytes bytes;
  bytes.fd = state_->fd;
  bytes.position = state_->data_start + entry.begin + offset;
  bytes.count = count;
  bytes.mapped = static_cast<const std::byte*>(state_->mapping) + bytes.position;
  bytes.read = [state = state_.get(), begin = bytes.position](uint64_t first,
                                                              std::span<std::byte> out) {
    state->pread_all(begin + first, out);
  };
  return bytes;
}

}  // namespace dorabooth
