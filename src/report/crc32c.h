// CRC-32C (Castagnoli; RFC 3720, appendix B.4), which guards the records of TensorBoard files.
#pragma once

#include <cstdint>
#include <string_view>

namespace dorabooth {

uint32_t crc32c(std::string_view bytes);

// TFRecord stores checksums rotated and offset, so that a checksum of checksums is not degenerate.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace dorabooth
