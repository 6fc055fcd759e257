// The stage unet: UNet and both text encoders together, over latents of a trained autoencoder.
// Internal to pipelines/pretrain.
#pragma once

#include "datasets/image_folder.h"
#include "pipelines/pretrain.h"

namespace dorabooth {

PretrainReport pretrain_unet(const PretrainConfig& config, const ImageFolder& folder,
                             const std::string& digest, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
