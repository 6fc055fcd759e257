// One small safetensors file a posterior, in 256 sub-folders.
#include "datasets/latent_cache.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

LatentPosterior read_posterior(const fs::path& path) {
  const SafetensorsFile file(path);
  const auto tensor = [&](const char* name) {
    const TensorEntry& entry = file.at(name);
    at::Tensor value = tensor_from_bytes(entry.dtype, entry.shape, file.data(entry)).clone();
    if (value.dim() != 3 || value.scalar_type() != at::kFloat) {
      fail(path.string(), ": ", name, " is not a latent [channels, h, w] in fp32");
    }
    return value;
  };
  LatentPosterior posterior{tensor("mean"), tensor("std")};
  if (posterior.mean.sizes() != posterior.std.sizes()) {
    fail(path.string(), ": mean and std differ in shape");
  }
  return posterior;
}

}  // namespace

LatentPosterior StoredPosterior::load() const {
  return file_.empty() ? posterior_ : read_posterior(file_);
}

fs::path LatentCache::file_of(const std::string& picture_key) const {
  Sha256 hash;
  hash.update(concat("posterior 1 ", picture_key, " ", encoder_));
  const std::string name = hash.hex();
  return folder_ / "latents" / name.substr(0, 2) / (name + ".safetensors");
}

std::optional<StoredPosterior> LatentCache::find(const std::string& picture_key) const {
  const fs::path path = file_of(picture_key);
  if (!fs::exists(path)) return std::nullopt;
  try {
    read_posterior(path);
  } catch (const Error&) {
    return std::nullopt;  // damaged: made again
  }
  return StoredPosterior(path);
}

StoredPosterior LatentCache::put(const std::string& picture_key,
                                 const LatentPosterior& posterior) const {
  const fs::path path = file_of(picture_key);
  fs::create_directories(path.parent_path());
  std::vector<TensorEntry> entries(2);
  entries[0].name = "mean";
  entries[1].name = "std";
  for (TensorEntry& entry : entries) entry.shape = posterior.mean.sizes().vec();
  SafetensorsWriter writer(path, std::move(entries), {});
  for (const auto& [name, value] : {std::pair{"mean", posterior.mean}, {"std", posterior.std}}) {
    const at::Tensor plain = value.contiguous();
    writer.write(name, 0, {static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()});
  }
  writer.finish();
  return StoredPosterior(path);
}

}  // namespace dorabooth
