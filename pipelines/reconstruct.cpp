// One picture at a time: an autoencoder's peak grows with the batch, its speed does not.
#include "pipelines/reconstruct.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "datasets/crop.h"
#include "datasets/example_set.h"
#include "datasets/image_folder.h"
#include "pipelines/parts/generation.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/model/checkpoint.h"
#include "src/model/load.h"
#include "src/objective/autoencoder_loss.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

void check(const ReconstructRequest& request) {
  if (request.pretrained_vae_model_name_or_path.empty())
    throw UsageError("--pretrained_vae_model_name_or_path is missing");
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
}

std::shared_ptr<AutoencoderKl> load_vae(const ReconstructRequest& request) {
  const Checkpoint checkpoint = Checkpoint::open_vae(request.pretrained_vae_model_name_or_path);
  const VaeConfig config = VaeConfig::from_json(checkpoint.config(Component::kVae),
                                                checkpoint.config_source(Component::kVae));
  if (request.resolution % config.downscale() != 0) {
    throw UsageError(concat("--resolution ", request.resolution, ": want a multiple of ",
                            config.downscale(), ", the autoencoder's factor"));
  }
  auto vae = std::make_shared<AutoencoderKl>(
      config, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  load_weights(*vae, checkpoint.weights(Component::kVae),
               {.dtype = at::kFloat, .device = at::kCPU});
  return vae;
}

at::Tensor read_square(const fs::path& path, int64_t side) {
  const Image image = read_picture(path).image;
  const auto pixels = static_cast<int>(side);
  return image_tensor(apply_crop(image, centre_crop({image.width, image.height}, {pixels, pixels},
                                                    /*flipped=*/false, Interpolation::kLanczos)));
}

// The folder's last name, which tells folders of one call apart; a further one of that name gets a
// number.
fs::path output_folder(const ReconstructRequest& request, const fs::path& folder) {
  if (!request.output_dir) return {};
  const fs::path own = folder.has_filename() ? folder.filename() : folder.parent_path().filename();
  fs::path result = fs::path(*request.output_dir) / own;
  for (int number = 2; fs::exists(result); ++number)
    result = fs::path(*request.output_dir) / concat(own.string(), "-", number);
  fs::create_directories(result);
  return result;
}

}  // namespace

ReconstructReport reconstruct(const ReconstructRequest& request, Progress& progress,
                              std::stop_token stop) {
  const at::NoGradGuard no_grad;
  check(request);
  std::vector<ImageListing> listings;
  int64_t count = 0;
  for (const std::string& folder : request.instance_data_dir) {
    ImageFolderRequest pictures;
    pictures.folder = folder;
    listings.push_back(list_image_folder(pictures));
    if (listings.back().pictures.empty()) fail(folder, " holds no pictures");
    count += static_cast<int64_t>(listings.back().pictures.size());
  }
  const auto vae = load_vae(request);
  ReconstructReport report;
  StepMeter meter(progress, "reconstruct", count);
  for (size_t i = 0; i < listings.size(); ++i) {
    FolderReconstruction sums;
    sums.folder = request.instance_data_dir[i];
    const fs::path output = output_folder(request, sums.folder);
    sums.output_dir = output.string();
    for (const ListedPicture& picture : listings[i].pictures) {
      if (stop.stop_requested()) {
        report.stopped = true;
        return report;
      }
      const at::Tensor wanted = read_square(picture.path, request.resolution);
      const at::Tensor made = vae->decode(vae->encode(wanted).mean);
      const double db = psnr(made, wanted).item<double>();
      if (sums.pictures == 0 || db < sums.psnr_low) {
        sums.psnr_low = db;
        sums.worst = picture.path.string();
      }
      sums.psnr += db;
      ++sums.pictures;
      if (request.output_dir) {
        const fs::path path = (output / picture.name).replace_extension(".png");
        fs::create_directories(path.parent_path());
        write_png(path, to_images(picture_values(made)).at(0));
      }
      meter.step();
    }
    sums.psnr /= static_cast<double>(sums.pictures);
    report.folders.push_back(sums);
  }
  return report;
}

}  // namespace dorabooth
