// Each kind of work goes through the functions that the commands themselves use.
#include "pipelines/parts/bench_work.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "pipelines/merge.h"
#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/bench_model.h"
#include "pipelines/parts/denoising_loss.h"
#include "pipelines/parts/generation.h"
#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/device/adapter_core_choice.h"
#include "src/nn/linear_layers.h"

namespace dorabooth {

namespace {

constexpr uint64_t kSeed = 0;
constexpr double kTrainedB = 1e-3;  // B is zero at the start: make it look trained

LinearLayers layers_of(UNet& unet) {
  LinearLayers layers;
  for (const auto& [name, layer] : nn::linear_layers(unet)) {
    layers.emplace_back("unet." + name, layer);
  }
  return layers;
}

bool adapted(const std::string& variant) { return variant == "lora" || variant == "dora"; }

// Forward, backward, clipping and AdamW with cached latents and text. Without an adapter the
// latents want the gradient: the floor of any adapter.
class StepWork : public BenchWork {
 public:
  StepWork(const BenchTask& task, at::Device device)
      : unet_(random_unet(task.request, device)),
        inputs_(random_inputs(task.request, task.request.batch, device)),
        schedule_(bench_scheduler()),
        products_(std::make_shared<nn::PromptProducts>(
            static_cast<size_t>(task.request.text_cache_mb) << 20)) {
    unet_->set_gradient_checkpointing(task.request.gradient_checkpointing);
    if (!adapted(task.variant)) return;
    TrainerOptions options;
    options.weight_decay = 1e-2;
    trainer_.emplace(task.variant,
                     trained_looking_set(task.variant, task.request, layers_of(*unet_), device),
                     options);
    scope_ = trainer_->set().attach();
  }

  void run() override {
    const int64_t rows = inputs_.sample.size(0);
    TrainingBatch batch;
    batch.latents = inputs_.sample.detach().requires_grad_(!trainer_);
    batch.noise = random_normal("noise", step_, inputs_.sample.sizes());
    const auto timesteps = static_cast<uint32_t>(schedule_.num_train_timesteps());
    std::vector<int64_t> drawn;
    for (int64_t row = 0; row < rows; ++row) {
      drawn.push_back(
          RandomStream(kSeed, "timestep").integer(step_, static_cast<uint32_t>(row), timesteps));
    }
    batch.timesteps = at::tensor(drawn);
    batch.time_ids = inputs_.time_ids;
    batch.instance_rows = rows;
    if (trainer_) trainer_->set().set_training(true, step_, 0);
    std::vector<int64_t> prompts(static_cast<size_t>(rows));
    std::iota(prompts.begin(), prompts.end(), int64_t{0});
    const at::Tensor loss = denoising_loss(
        *unet_, schedule_, batch, {inputs_.encoder_hidden_states, inputs_.text_embeds}, {},
        std::make_shared<nn::BatchProducts>(products_, std::move(prompts)));
    if (trainer_) {
      trainer_->accumulate(loss, 1.0);
      trainer_->step(1.0);
    } else {
      loss.backward();
    }
    ++step_;
  }

 private:
  std::shared_ptr<UNet> unet_;
  UNetInputs inputs_;
  Ddpm schedule_;
  std::shared_ptr<nn::PromptProducts> products_;
  std::optional<AdapterTrainer> trainer_;
  AttachScope scope_;
  uint64_t step_ = 0;
};

void merge_into(const LinearLayers& layers, AdapterSet& set, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  for (const auto& [module, layer] : layers) {
    Adapter* adapter = set.find(module);
    if (!adapter) continue;
    const at::Tensor merged = adapter->merged_rows(*layer->weight(), 0, layer->out_features());
    layer->assign("weight", merged.to(dtype));
  }
}

// A few steps of Euler with classifier-free guidance as a batch of two.
class SampleWork : public BenchWork {
 public:
  SampleWork(const BenchTask& task, at::Device device) {
    bundle_.unet = random_unet(task.request, device);
    bundle_.dtype = dtype_of_name(task.request.dtype);
    bundle_.device = device;
    const UNetInputs inputs = random_inputs(task.request, 2, device);
    const auto row = [&](int64_t i) {
      return PromptEmbeds{inputs.encoder_hidden_states.narrow(0, i, 1).to(bundle_.dtype),
                          inputs.text_embeds.narrow(0, i, 1).to(bundle_.dtype)};
    };
    conditioning_ = {row(1), row(0)};
    plan_.height = plan_.width = bundle_.vae_scale_factor * task.request.latent;
    plan_.steps = kSteps;
    plan_.guidance_scale = 5.0;
    const auto pixels = static_cast<float>(plan_.height);
    plan_.time_ids = {pixels, pixels, 0, 0, pixels, pixels};
    plan_.scheduler_config = bench_scheduler();
    batch_ = task.request.batch;
    const LinearLayers layers = layers_of(*bundle_.unet);
    if (task.variant == "none") return;
    set_ =
        trained_looking_set(task.variant == "lora" ? "lora" : "dora", task.request, layers, device);
    if (task.variant == "merged") {
      merge_into(layers, set_, bundle_.dtype);
    } else {
      scope_ = set_.attach();
    }
  }

  void run() override {
    TorchNoise noise({kSeed});
    Denoising denoising(bundle_, plan_, conditioning_, batch_, noise);
    while (!denoising.done()) denoising.step();
  }
  double units() const override { return kSteps; }

 private:
  static constexpr int kSteps = 4;

  SdxlBundle bundle_;
  Conditioning conditioning_;
  GenerationPlan plan_;
  int64_t batch_ = 1;
  AdapterSet set_;
  AttachScope scope_;
};

// A whole base from disk, and one call of its UNet.
class LoadWork : public BenchWork {
 public:
  explicit LoadWork(const BenchTask& task) : request_(task.request) {}

  void run() override {
    const at::NoGradGuard no_grad;
    ModelOptions options;
    options.pretrained_model_name_or_path = *request_.pretrained_model_name_or_path;
    options.device = request_.device;
    options.dtype = request_.dtype;
    const SdxlBundle bundle = load_base(options, {});
    const UNetConfig& config = bundle.unet->config();
    UNetInputs inputs;
    const at::TensorOptions on(bundle.device);
    inputs.sample = at::ones({1, config.in_channels, request_.latent, request_.latent}, on);
    inputs.timesteps = at::full({1}, 500.0, on);
    inputs.encoder_hidden_states = at::ones({1, 77, config.cross_attention_dim}, on);
    inputs.text_embeds = at::ones({1, config.pooled_features()}, on);
    inputs.time_ids = at::zeros({1, UNetConfig::kTimeIds}, on);
    // The sum is read on the CPU: the output is there.
    bundle.unet->forward(inputs).sum().item<float>();
  }

 private:
  BenchRequest request_;
};

class NoProgress : public Progress {
 public:
  void on(const Event&) override {}
};

// The UNet read from disk, merged and written.
class MergeWork : public BenchWork {
 public:
  explicit MergeWork(const BenchTask& task) {
    ModelOptions options;
    options.pretrained_model_name_or_path = *task.request.pretrained_model_name_or_path;
    options.device = "cpu";
    options.dtype = task.request.dtype;
    const SdxlBundle bundle = load_base(options, {}, {Component::kUNet});
    const AdapterSet set =
        trained_looking_set(task.variant, task.request, bundle.linear_layers(), bundle.device);
    const std::filesystem::path adapter = task.folder / (task.variant + ".safetensors");
    write_diffusers_adapter(adapter, set, {});
    request_.pretrained_model_name_or_path = options.pretrained_model_name_or_path;
    request_.adapter_path = {adapter.string()};
    request_.layout = "unet";
    request_.output = task.folder / (task.variant + "_merged.safetensors");
  }

  void run() override {
    NoProgress progress;
    merge(request_, progress, {});
  }

 private:
  MergeRequest request_;
};

}  // namespace

AdapterSet trained_looking_set(const std::string& kind, const BenchRequest& request,
                               const LinearLayers& layers, at::Device device) {
  AdapterSpec spec;
  spec.kind = kind;
  spec.rank = request.rank;
  if (kind == "dora") spec.norm_gradient = request.dora_norm_gradient;
  spec.target_modules = request.what == "layer" ? std::vector<std::string>{"*"}
                                                : default_target_modules(/*text_encoders=*/false);
  AdapterSet set = AdapterSet::create(spec, layers, kSeed, adapter_core(device));
  const at::NoGradGuard no_grad;
  for (AdapterParameter& parameter : set.parameters()) {
    if (!parameter.name.ends_with(".B")) continue;
    parameter.value.copy_(random_normal("bench/" + parameter.name, 0, parameter.value.sizes()))
        .mul_(kTrainedB);
  }
  set.on_parameters_changed();
  return set;
}

nlohmann::json BenchTask::to_json() const {
  return {{"request", bench_fields().to_json(&request)},
          {"variant", variant},
          {"folder", folder.string()}};
}

BenchTask BenchTask::from_json(const nlohmann::json& json) {
  BenchTask task;
  bench_fields().from_json(&task.request, json.at("request"), "bench");
  task.variant = json.at("variant").get<std::string>();
  task.folder = json.at("folder").get<std::string>();
  return task;
}

std::unique_ptr<BenchWork> make_bench_work(const BenchTask& task) {
  const std::string& what = task.request.what;
  if (what == "load") return std::make_unique<LoadWork>(task);
  if (what == "merge") return std::make_unique<MergeWork>(task);
  const at::Device device = torch_device(open_device(task.request.device));
  if (what == "layer") return make_layer_work(task, device);
  if (what == "product") return make_product_work(task, device);
  if (what == "sample") return std::make_unique<SampleWork>(task, device);
  if (what == "step") return std::make_unique<StepWork>(task, device);
  fail("bench: unknown work '", what, "'");
}

}  // namespace dorabooth
