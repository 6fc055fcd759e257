// Layers are told by their tensors: every 2-D "….weight" of UNet and text encoders.
#include "pipelines/parts/checkpoint_layers.h"

#include "src/base/error.h"

namespace dorabooth {

LinearLayers checkpoint_layers(const Checkpoint& checkpoint,
                               std::vector<std::unique_ptr<nn::Linear>>& owned) {
  const std::string suffix = ".weight";
  LinearLayers layers;
  for (const Component component :
       {Component::kUNet, Component::kTextEncoder, Component::kTextEncoder2}) {
    if (!checkpoint.has(component)) continue;
    for (const StoredTensor& stored : checkpoint.stored(component)) {
      if (stored.shape.size() != 2 || !stored.name.ends_with(suffix)) continue;
      owned.push_back(std::make_unique<nn::Linear>(stored.shape[1], stored.shape[0], false,
                                                   at::TensorOptions().device(at::kMeta)));
      const std::string module = stored.name.substr(0, stored.name.size() - suffix.size());
      layers.emplace_back(concat(component_name(component), ".", module), owned.back().get());
    }
  }
  return layers;
}

ParameterShapes checkpoint_shapes(const Checkpoint& checkpoint) {
  ParameterShapes shapes;
  for (const Component component :
       {Component::kUNet, Component::kTextEncoder, Component::kTextEncoder2}) {
    if (!checkpoint.has(component)) continue;
    for (const StoredTensor& stored : checkpoint.stored(component)) {
      shapes[concat(component_name(component), ".", stored.name)] = stored.shape;
    }
  }
  return shapes;
}

}  // namespace dorabooth
