// A mapped file read once, without its pages staying: mapped pages count as memory of this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// Gives bytes [offset, offset + count) of a tensor to `use`, in order and in pieces whose lengths
// are multiples of 64 but for the last. No byte is copied by the kernel, as a read would have it.
void for_each_piece(const SafetensorsFile& file, const TensorEntry& entry, uint64_t offset,
                    uint64_t count, const std::function<void(std::span<const std::byte>)>& use);

// Brings the tensor's mapped pages in at once; false where they cannot be had (the file became
// shorter, or an older kernel), so that a read is called for.
bool map_pages(const SafetensorsFile& file, const TensorEntry& entry);
// Lets them go: they come back at the next touch.
void unmap_pages(const SafetensorsFile& file, const TensorEntry& entry);

}  // namespace dorabooth
