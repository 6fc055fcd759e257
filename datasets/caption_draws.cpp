// Streams: "<name>/empty_caption" and "/caption_order". Parts are trimmed and joined by the
// separator and a space, as kohya's scripts do.
#include "datasets/caption_draws.h"

#include <span>
#include <vector>

#include "src/base/random_stream.h"

namespace dorabooth {

namespace {

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string> parts_of(const std::string& caption, const std::string& separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = caption.find(separator, begin);
    const std::string part = trimmed(caption.substr(begin, end - begin));
    if (!part.empty()) parts.push_back(part);
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

std::string shuffled(const CaptionOptions& options, const std::string& caption,
                     const RandomStream& order, int64_t micro_step, uint32_t row) {
  const std::vector<std::string> parts = parts_of(caption, options.separator);
  const auto count = static_cast<int64_t>(parts.size());
  const int64_t kept = options.keep_tokens < count ? options.keep_tokens : count;
  const std::vector<int64_t> places =
      order.permutation(static_cast<uint64_t>(micro_step), row, count - kept);
  std::string result;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = i < kept ? i : kept + places[static_cast<size_t>(i - kept)];
    if (i > 0) result += options.separator + " ";
    result += parts[static_cast<size_t>(from)];
  }
  return result;
}

}  // namespace

std::string drawn_caption(const CaptionOptions& options, const std::string& caption, uint64_t seed,
                          const std::string& stream, int64_t micro_step, uint32_t row) {
  if (options.empty_share > 0) {
    float chance = 0;
    RandomStream(seed, stream + "/empty_caption")
        .uniform(static_cast<uint64_t>(micro_step), row, std::span<float>(&chance, 1));
    if (static_cast<double>(chance) < options.empty_share) return "";
  }
  if (!options.shuffle) return caption;
  return shuffled(options, caption, RandomStream(seed, stream + "/caption_order"), micro_step, row);
}

}  // namespace dorabooth
