// What an autoencoder loses: pictures through encoder and decoder and back, against themselves.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct ReconstructRequest {
  std::string pretrained_vae_model_name_or_path;  // a base or an autoencoder's folder
  std::vector<std::string> instance_data_dir;     // each measured by itself; captions do not matter
  int64_t resolution = 1024;                      // side of the centre crops, in pixels
  std::optional<std::string> output_dir;          // for the pictures that come back
  std::optional<double> at_least;                 // read by the command line: its exit status
};

const FieldList<ReconstructRequest>& reconstruct_fields();

// PSNR in dB: 10·log10(1 / mean d²) over a picture's values in [0, 1], before rounding to bytes.
struct FolderReconstruction {
  std::string folder;
  int64_t pictures = 0;
  double psnr = 0.0;       // the mean of the pictures' dB
  double psnr_low = 0.0;   // of the worst picture
  std::string worst;       // its path
  std::string output_dir;  // "" if nothing was written
};

struct ReconstructReport {
  std::vector<FolderReconstruction> folders;
  bool stopped = false;
};

// From the posterior's mean, in fp32 on the CPU: no random number takes part. Pictures are written
// as OUT/<name of the folder>/<name of the picture>.png.
ReconstructReport reconstruct(const ReconstructRequest& request, Progress& progress,
                              std::stop_token stop);

}  // namespace dorabooth
