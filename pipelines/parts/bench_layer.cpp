// One linear layer, forward and backward, as a step of a training has it: the norm is taken anew
// each time, since the optimizer has moved A and B.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/bench_model.h"
#include "pipelines/parts/bench_work.h"
#include "src/base/error.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

class LayerWork : public BenchWork {
 public:
  LayerWork(const BenchTask& task, at::Device device) {
    const BenchRequest& r = task.request;
    const at::TensorOptions options = at::TensorOptions(dtype_of_name(r.dtype)).device(device);
    layer_ = std::make_unique<nn::Linear>(r.in_features, r.out_features, /*bias=*/false,
                                          options.device(at::kMeta));
    const double spread = 1.0 / std::sqrt(static_cast<double>(r.in_features));
    const at::Tensor weight = random_normal("bench/weight", 0, {r.out_features, r.in_features});
    layer_->assign("weight", (weight * spread).to(options));
    x_ = random_normal("bench/x", 0, {r.batch, r.tokens, r.in_features}).to(options);
    x_.requires_grad_(r.input_gradient);
    dy_ = random_normal("bench/dy", 0, {r.batch, r.tokens, r.out_features}).to(options);
    // About 40 ms a repetition, as the peer has it.
    const double flops = 4.0 * static_cast<double>(r.tokens * r.batch * r.in_features) *
                         static_cast<double>(r.out_features);
    repeats_ = std::max(1, static_cast<int>(0.04 * (r.dtype == "fp32" ? 1.5e11 : 5e11) / flops));
    if (task.variant == "none") return;
    set_ = trained_looking_set(task.variant, r, {{"unet.layer", layer_.get()}}, device);
    set_.set_training(true, 0, 0);
    scope_ = set_.attach();
  }

  void run() override {
    for (int i = 0; i < repeats_; ++i) {
      set_.on_parameters_changed();
      const at::Tensor y = layer_->forward(x_);
      if (y.requires_grad()) y.backward(dy_);
      x_.mutable_grad().reset();
      for (AdapterParameter& parameter : set_.parameters()) {
        parameter.value.mutable_grad().reset();
      }
    }
  }
  double units() const override { return repeats_; }

 private:
  std::unique_ptr<nn::Linear> layer_;
  at::Tensor x_;
  at::Tensor dy_;
  AdapterSet set_;
  AttachScope scope_;
  int repeats_ = 1;
};

ProductLibrary library_of(const std::string& variant) {
  if (variant == "widened") return ProductLibrary::kWidened;
  return variant == "onednn" ? ProductLibrary::kOneDnn : ProductLibrary::kMatmul;
}

// The frozen product alone, by one library: the measurement behind dense_product()'s rule.
class ProductWork : public BenchWork {
 public:
  ProductWork(const BenchTask& task, at::Device device) : library_(library_of(task.variant)) {
    const BenchRequest& r = task.request;
    if (!device.is_cpu()) fail("bench product: the libraries compared are those of the CPU");
    const at::TensorOptions options = at::TensorOptions(dtype_of_name(r.dtype));
    x_ = random_normal("bench/x", 0, {r.batch * r.tokens, r.in_features}).to(options);
    weight_ = random_normal("bench/weight", 0, {r.out_features, r.in_features}).to(options);
    const double flops = 2.0 * static_cast<double>(x_.size(0) * r.in_features * r.out_features);
    repeats_ = std::max(1, static_cast<int>(0.04 * (r.dtype == "fp32" ? 1e11 : 4e11) / flops));
  }

  void run() override {
    const at::NoGradGuard no_grad;
    for (int i = 0; i < repeats_; ++i) dense_product_by(library_, x_, weight_);
  }
  double units() const override { return repeats_; }

 private:
  ProductLibrary library_;
  at::Tensor x_;
  at::Tensor weight_;
  int repeats_ = 1;
};

}  // namespace

std::unique_ptr<BenchWork> make_product_work(const BenchTask& task, at::Device device) {
  return std::make_unique<ProductWork>(task, device);
}

std::unique_ptr<BenchWork> make_layer_work(const BenchTask& task, at::Device device) {
  return std::make_unique<LayerWork>(task, device);
}

}  // namespace dorabooth
