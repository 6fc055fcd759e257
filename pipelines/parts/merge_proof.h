// Draws one picture with base and adapters and one with the merged model: the proof that a merge
// computes what the adapters compute. Internal to pipelines/merge.
#pragma once

#include <optional>
#include <stop_token>

#include "pipelines/merge.h"

namespace dorabooth {

// Largest difference of the two pictures in 8-bit values; absent where the base is too large for a
// check beside a merge (over kProofParameters numbers in the UNet) or the layout is no whole
// diffusers folder.
std::optional<int> merged_picture_difference(const MergeRequest& request, const Log& log,
                                             std::stop_token stop);

inline constexpr int64_t kProofParameters = 200'000'000;

}  // namespace dorabooth
