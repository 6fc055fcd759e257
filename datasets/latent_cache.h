// The VAE's posteriors of pictures, kept in memory or on the disk. On the disk a posterior's name
// is a hash of all that it depends on (the picture file's bytes, crop, background, the VAE and how
// it computes), so that one which no longer fits is never found.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

namespace dorabooth {

struct LatentPosterior {
  at::Tensor mean;  // [channels, h, w] fp32, not scaled
  at::Tensor std;   // the same
};

// A posterior, or the file that holds it.
class StoredPosterior {
 public:
  explicit StoredPosterior(LatentPosterior posterior) : posterior_(std::move(posterior)) {}
  explicit StoredPosterior(std::filesystem::path file) : file_(std::move(file)) {}

  // Throws if the file is not there any more, or is not a posterior.
  LatentPosterior load() const;

 private:
  LatentPosterior posterior_;
  std::filesystem::path file_;
};

class LatentCache {
 public:
  // `encoder` stands for the VAE's weights and how it computes: any text that differs when its
  // outputs may.
  LatentCache(std::filesystem::path folder, std::string encoder)
      : folder_(std::move(folder)), encoder_(std::move(encoder)) {}

  // `picture_key` as of crop.h. Nothing if there is none, or none that is whole.
  std::optional<StoredPosterior> find(const std::string& picture_key) const;
  // Written whole or not at all.
  StoredPosterior put(const std::string& picture_key, const LatentPosterior& posterior) const;

 private:
  std::filesystem::path file_of(const std::string& picture_key) const;

  std::filesystem::path folder_;
  std::string encoder_;
};

}  // namespace dorabooth
