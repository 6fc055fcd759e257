// All linear layers of a model with their full names: what adapters attach to.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "src/nn/linear.h"

namespace dorabooth::nn {

// In registration order; the pointers live as long as the model.
std::vector<std::pair<std::string, Linear*>> linear_layers(torch::nn::Module& root);

}  // namespace dorabooth::nn
