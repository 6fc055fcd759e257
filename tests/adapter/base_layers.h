// The linear layers of a base on the meta device, and adapter files made by hand.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/adapter/adapter_file.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth::testing {

// Owns the layers that `layers` points to; their weights have shapes only.
struct BaseLayers {
  LinearLayers layers;
  std::vector<std::shared_ptr<nn::Linear>> owned;

  void add(const std::string& name, int64_t out, int64_t in) {
    owned.push_back(std::make_shared<nn::Linear>(in, out, false,
                                                 at::TensorOptions(at::kFloat).device(at::kMeta)));
    layers.emplace_back(name, owned.back().get());
  }
};

// Every matrix of the UNet and of the text encoders of a diffusers folder, by its files' headers.
inline BaseLayers base_layers(const std::filesystem::path& folder) {
  BaseLayers base;
  for (const std::string component : {"unet", "text_encoder", "text_encoder_2"}) {
    for (const auto& item : std::filesystem::directory_iterator(folder / component)) {
      if (item.path().extension() != ".safetensors") continue;
      const SafetensorsFile file(item.path());
      for (const TensorEntry& entry : file.entries()) {
        const std::string ending = ".weight";
        if (entry.shape.size() != 2 || !entry.name.ends_with(ending) ||
            entry.name.find("embeddings.") != std::string::npos) {
          continue;
        }
        base.add(component + "." + entry.name.substr(0, entry.name.size() - ending.size()),
                 entry.shape[0], entry.shape[1]);
      }
    }
  }
  return base;
}

inline void write_tensor_file(const std::filesystem::path& path,
                              const std::map<std::string, at::Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    TensorEntry entry;
    entry.name = name;
    entry.dtype = tensor.scalar_type() == at::kInt    ? DType::kI32
                  : tensor.scalar_type() == at::kHalf ? DType::kF16
                                                      : DType::kF32;
    entry.shape = tensor.sizes().vec();
    entries.push_back(entry);
  }
  SafetensorsWriter writer(path, entries, metadata);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor value = tensor.contiguous();
    writer.write(name, 0, {static_cast<const std::byte*>(value.const_data_ptr()), value.nbytes()});
  }
  writer.finish();
}

inline void expect_same_bits(const at::Tensor& actual, const at::Tensor& expected,
                             const std::string& name) {
  ASSERT_EQ(actual.defined(), expected.defined()) << name;
  if (actual.defined()) {
    EXPECT_TRUE(at::equal(actual, expected)) << name;
  }
}

// The same modules, numbers and alphas, bit for bit.
inline void expect_same_modules(const std::map<std::string, AdapterTensors>& actual,
                                const std::map<std::string, AdapterTensors>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  for (const auto& [module, want] : expected) {
    ASSERT_TRUE(actual.contains(module)) << module << " is missing";
    const AdapterTensors& own = actual.at(module);
    expect_same_bits(own.a, want.a, module + ".A");
    expect_same_bits(own.b, want.b, module + ".B");
    expect_same_bits(own.m, want.m, module + ".m");
    EXPECT_EQ(own.alpha, want.alpha) << module;
  }
}

}  // namespace dorabooth::testing
