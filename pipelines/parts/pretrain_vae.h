// The stage vae: an autoencoder from pictures. Internal to pipelines/pretrain.
#pragma once

#include "datasets/image_folder.h"
#include "pipelines/pretrain.h"

namespace dorabooth {

PretrainReport pretrain_vae(const PretrainConfig& config, const ImageFolder& folder,
                            const std::string& digest, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
