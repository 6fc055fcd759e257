// The kernel maps a piece's pages in one call, which is far cheaper than a fault for each, and says
// so where they are not there: touching them would be a signal.
#include "src/tensorfile/mapped_pieces.h"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

namespace dorabooth {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPiece = 1 << 20;

bool advise(const std::byte* bytes, uint64_t count, int advice) {
  const uint64_t before = reinterpret_cast<uintptr_t>(bytes) % kPage;
  return ::madvise(const_cast<std::byte*>(bytes) - before, count + before, advice) == 0;
}

}  // namespace

void for_each_piece(const SafetensorsFile& file, const TensorEntry& entry, uint64_t offset,
                    uint64_t count, const std::function<void(std::span<const std::byte>)>& use) {
  std::vector<std::byte> buffer;
  const std::byte* const mapped = file.data(entry) + offset;
  for (uint64_t first = 0; first < count; first += kPiece) {
    const uint64_t size = std::min(kPiece, count - first);
    if (advise(mapped + first, size, MADV_POPULATE_READ)) {
      use({mapped + first, size});
      advise(mapped + first, size, MADV_DONTNEED);
      continue;
    }
    buffer.resize(kPiece);
    const std::span<std::byte> piece(buffer.data(), size);
    file.read(entry, offset + first, piece);
    use(piece);
  }
}

bool map_pages(const SafetensorsFile& file, const TensorEntry& entry) {
  return entry.bytes() == 0 || advise(file.data(entry), entry.bytes(), MADV_POPULATE_READ);
}

void unmap_pages(const SafetensorsFile& file, const TensorEntry& entry) {
  if (entry.bytes() > 0) advise(file.data(entry), entry.bytes(), MADV_DONTNEED);
}

}  // namespace dorabooth
