// A base's tensor written again as it is or in another dtype, a piece at a time, so that the
// largest tensor takes no more memory than the smallest. Internal to pipelines/merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "src/model/stored_tensor.h"

namespace dorabooth {

using BytesSink = std::function<void(uint64_t offset, std::span<const std::byte> bytes)>;

// Gives the tensor's bytes in `dtype` to `write`, from offset 0 on; the transpose of how they lie
// in the file if asked, which takes memory for the whole of it.
void copy_stored_tensor(const StoredTensor& stored, bool transposed, DType dtype,
                        std::span<std::byte> buffer, const BytesSink& write);

}  // namespace dorabooth
