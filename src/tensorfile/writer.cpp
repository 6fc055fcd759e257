// SafetensorsWriter: the space is reserved at the start, bytes come in any order, and the file
// appears under its name only when it is complete and synced.
#include <unordered_map>

#include "src/base/error.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/output_file.h"
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

static_assert(SafetensorsWriter::kMemoryStep == OutputFile::kMemoryStep);

struct SafetensorsWriter::State {
  OpenTensor& claim(const std::string& name, uint64_t offset, uint64_t count);

  std::optional<OutputFile> file;
  uint64_t data_start = 0;
  std::unordered_map<std::string, OpenTensor> tensors;
};

// The tensor that these bytes belong to; they count as written.
OpenTensor& SafetensorsWriter::State::claim(const std::string& name, uint64_t offset,
                                            uint64_t count) {
  const std::string path = file->path().string();
  if (!file->is_open()) fail(path, ": tensor ", quoted_name(name), " written to a closed file");
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    std::vector<std::string> names;
    for (const auto& [known, tensor] : tensors) names.push_back(known);
    fail(path, ": no tensor ", quoted_name(name), " was announced", did_you_mean(name, names));
  }
  auto& [entry, written] = found->second;
  if (offset > entry.bytes() || count > entry.bytes() - offset) {
    fail(path, ": tensor ", quoted_name(name), " has ", entry.bytes(), " bytes; cannot write ",
         count, " at ", offset);
  }
  if (!written.insert(offset, offset + count)) {
    fail(path, ": tensor ", quoted_name(name), ": bytes ", offset, " to ", offset + count,
         " were written before");
  }
  return found->second;
}

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<TensorEntry> tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     uint64_t least_direct)
    : state_(std::make_unique<State>()) {
  const std::string header = format_header(tensors, metadata, path);
  const uint64_t header_bytes = header.size();
  state_->data_start = 8 + header_bytes;
  const uint64_t size = state_->data_start + (tensors.empty() ? 0 : tensors.back().end);
  for (TensorEntry& entry : tensors) {
    const std::string name = entry.name;
    state_->tensors.emplace(name, OpenTensor{std::move(entry), {}});
  }
  state_->file.emplace(path, size, least_direct);
  state_->file->write(0, std::as_bytes(std::span(&header_bytes, 1)));
  state_->file->write(8, std::as_bytes(std::span(header)));
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(const std::string& name, uint64_t offset,
                              std::span<const std::byte> bytes) {
  const OpenTensor& tensor = state_->claim(name, offset, bytes.size());
  state_->file->write(state_->data_start + tensor.entry.begin + offset, bytes);
}

uint64_t SafetensorsWriter::memory_offset(const std::string& name, uint64_t offset) const {
  const uint64_t position = state_->data_start + state_->tensors.at(name).entry.begin + offset;
  return position % kMemoryStep;
}

void SafetensorsWriter::copy(const std::string& name, uint64_t offset, const SafetensorsFile& from,
                             const TensorEntry& entry, uint64_t first, uint64_t count) {
  const FileBytes bytes = from.bytes(entry, first, count);
  const OpenTensor& tensor = state_->claim(name, offset, count);
  state_->file->copy(state_->data_start + tensor.entry.begin + offset, bytes);
}

void SafetensorsWriter::finish() {
  OutputFile& file = *state_->file;
  if (!file.is_open()) fail(file.path().string(), ": the file is closed already");
  for (const auto& [name, tensor] : state_->tensors) {
    if (!tensor.written.covers(tensor.entry.bytes())) {
      fail(file.path().string(), ": not all of the ", tensor.entry.bytes(), " bytes of tensor ",
           quoted_name(name), " were written");
    }
  }
  file.finish();
}

uint64_t SafetensorsWriter::file_size(const std::vector<TensorEntry>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  std::vector<TensorEntry> sorted = tensors;
  const uint64_t header_bytes = format_header(sorted, metadata, "safetensors file").size();
  return 8 + header_bytes + (sorted.empty() ? 0 : sorted.back().end);
}

}  // namespace dorabooth
