// A DoRA over a few layers of the bundled base in numbers that a test knows: a square and an oblong
// matrix of the UNet, one of a text encoder, a 3×3 and a 1×1 convolution.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/tensor_store.h"

namespace dorabooth::testing {

// One layer's numbers in fp64, factors as matrices: W [out, …], A [rank, …], B [out, rank], m
// [out].
struct SmallLayer {
  at::Tensor w, a, b, m;
  double scale = 1.0;

  at::Tensor changed(double strength = 1.0) const {
    return w + strength * scale * b.matmul(a).reshape(w.sizes());
  }
};

inline at::Tensor row_norms(const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = weight.size(0);
  return weight.flatten(1).norm(2, {1}).reshape(shape);
}

// D(X) = m ⊙ X/‖X‖ by rows.
inline at::Tensor directed(const at::Tensor& m, const at::Tensor& weight) {
  return weight * (m.reshape(row_norms(weight).sizes()) / row_norms(weight));
}

inline double off(const at::Tensor& actual, const at::Tensor& want) {
  return ((actual - want).norm() / want.norm()).item<double>();
}

class SmallAdapter {
 public:
  // By module; alpha is 3 of rank 4, of the convolutions 2.
  explicit SmallAdapter(const Checkpoint& base, bool with_convolutions = true) {
    at::manual_seed(17);
    const std::string block = "unet.mid_block.attentions.0.transformer_blocks.0.";
    for (const std::string& module :
         {block + "attn1.to_q", block + "ff.net.2",
          std::string("text_encoder_2.text_model.encoder.layers.0.mlp.fc1")}) {
      add(base, module, 0.75);
    }
    if (!with_convolutions) return;
    add(base, "unet.down_blocks.1.resnets.0.conv1", 0.5);
    add(base, "unet.down_blocks.1.resnets.0.conv_shortcut", 0.5);
  }

  const std::map<std::string, SmallLayer>& layers() const { return layers_; }

  // In kohya's names with diffusers' block names, m as a column or, without `magnitudes`, nowhere.
  std::string write(const std::filesystem::path& path, bool magnitudes = true) const {
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [module, own] : layers_) {
      std::vector<int64_t> down = own.w.sizes().vec();
      down[0] = own.a.size(0);
      std::vector<int64_t> up(down.size(), 1);
      up[0] = own.b.size(0);
      up[1] = own.b.size(1);
      std::vector<int64_t> column(down.size(), 1);
      column[0] = own.b.size(0);
      const std::string stem = kohya_stem(module);
      tensors[stem + ".lora_down.weight"] = own.a.to(at::kFloat).reshape(down);
      tensors[stem + ".lora_up.weight"] = own.b.to(at::kFloat).reshape(up);
      tensors[stem + ".alpha"] = at::scalar_tensor(own.scale * 4, at::kFloat);
      if (magnitudes) tensors[stem + ".dora_scale"] = own.m.to(at::kFloat).reshape(column);
    }
    write_tensors(path, tensors, {});
    return path.string();
  }

  static std::string kohya_stem(const std::string& module) {
    std::string name = module;
    if (name.starts_with("unet.")) name = "lora_unet_" + name.substr(5);
    if (name.starts_with("text_encoder_2.")) name = "lora_te2_" + name.substr(15);
    std::ranges::replace(name, '.', '_');
    return name;
  }

 private:
  // Numbers that fp32 holds, so that files hold them too.
  void add(const Checkpoint& base, const std::string& module, double scale) {
    const auto rounded = [](const at::Tensor& x) { return x.to(at::kFloat).to(at::kDouble); };
    SmallLayer& own = layers_[module];
    own.w = base_weight(base, module).to(at::kDouble);
    const int64_t columns = own.w.numel() / own.w.size(0);
    own.a = rounded(at::randn({4, columns}, at::kDouble) * 0.1);
    own.b = rounded(at::randn({own.w.size(0), 4}, at::kDouble) * 0.1);
    own.scale = scale;
    own.m =
        rounded(row_norms(own.w).flatten() * (1 + 0.1 * at::randn({own.w.size(0)}, at::kDouble)));
  }

  std::map<std::string, SmallLayer> layers_;
};

}  // namespace dorabooth::testing
