// The adaptable layers of a base without their numbers: what an adapter file is read against when
// no model is to be loaded.
#pragma once

#include <memory>
#include <vector>

#include "src/adapter/reading_options.h"
#include "src/adapter/set.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

// Every matrix of UNet and text encoders as a layer on the meta device; `owned` keeps them.
LinearLayers checkpoint_layers(const Checkpoint& checkpoint,
                               std::vector<std::unique_ptr<nn::Linear>>& owned);

// Every parameter of UNet and text encoders.
ParameterShapes checkpoint_shapes(const Checkpoint& checkpoint);

}  // namespace dorabooth
