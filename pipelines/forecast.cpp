// Sums over the base's headers; alternatives are the same sums with other settings.
#include "pipelines/forecast.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "datasets/example_set.h"
#include "pipelines/parts/activation_count.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/process_memory.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_pictures.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/clip/clip_text_config.h"
#include "src/device/available_memory.h"
#include "src/device/device.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

namespace {

constexpr double kMb = 1 << 20;
// LibTorch's and the driver's own share of a CUDA device.
constexpr double kCudaContextMb = 700;
// What the first steps add to a process on a CPU: code that is read in, kernels that oneDNN writes,
// the allocator's slack (measured).
constexpr double kFirstStepsMb = 64;
constexpr double kFirstStepsMbHalf = 90;
// Double-quantized NF4 (Dettmers et al. 2023): a nibble, a byte a block of 64, a float a block of
// 256 of those.
constexpr double kNf4Bytes = 0.5 + 1.0 / 64 + 4.0 / (64 * 256);

// int8 and fp8: a byte, and a float a row of 1280 or so.
constexpr double kByteBytes = 1.0 + 4.0 / 1280;

struct Matrix {
  std::string module;  // "unet.….to_q"
  int64_t out = 0;
  int64_t in = 0;
};

// What the headers say.
struct Base {
  std::map<Component, int64_t> parameters;
  double quantizable = 0.0;  // of UNet and text encoders
  double others = 0.0;
  std::vector<Matrix> matrices;
  std::vector<std::pair<std::string, int64_t>> trainables;  // all of UNet and text encoders
  UNetConfig unet;
  VaeConfig vae;
  ClipTextConfig text;
  ClipTextConfig text_2;
};

bool in_transformer(const std::string& name) {
  return name.find("attentions.") != std::string::npos ||
         name.find("encoder.layers.") != std::string::npos;
}

void add_component(const Checkpoint& checkpoint, Component component, Base& base) {
  const std::string prefix = std::string(component_name(component)) + ".";
  for (const StoredTensor& tensor : checkpoint.stored(component)) {
    int64_t count = 1;
    for (const int64_t side : tensor.shape) count *= side;
    base.parameters[component] += count;
    const bool matrix = tensor.shape.size() == 2 && tensor.name.ends_with(".weight") &&
                        tensor.name.find("embedding.weight") == std::string::npos;
    if (component == Component::kVae) continue;
    base.trainables.emplace_back(prefix + tensor.name, count);
    (matrix && in_transformer(tensor.name) ? base.quantizable : base.others) +=
        static_cast<double>(count);
    if (matrix) {
      const std::string module = tensor.name.substr(0, tensor.name.size() - 7);
      base.matrices.push_back({prefix + module, tensor.shape[0], tensor.shape[1]});
    }
  }
}

template <typename Config>
Config component_config(const Checkpoint& checkpoint, Component component) {
  return Config::from_json(checkpoint.config(component), checkpoint.config_source(component));
}

Base read_base(const TrainConfig& config) {
  const std::string variant = config.variant.value_or("");
  const Checkpoint checkpoint = Checkpoint::open(config.pretrained_model_name_or_path, variant,
                                                 config.config_dir.value_or(""));
  std::optional<Checkpoint> other_vae;
  if (config.pretrained_vae_model_name_or_path) {
    other_vae = Checkpoint::open_vae(*config.pretrained_vae_model_name_or_path, variant);
  }
  const Checkpoint& vae = other_vae ? *other_vae : checkpoint;
  Base base;
  for (const Component component : kComponents)
    add_component(component == Component::kVae ? vae : checkpoint, component, base);
  base.unet = component_config<UNetConfig>(checkpoint, Component::kUNet);
  base.vae = component_config<VaeConfig>(vae, Component::kVae);
  base.text = component_config<ClipTextConfig>(checkpoint, Component::kTextEncoder);
  base.text_2 = component_config<ClipTextConfig>(checkpoint, Component::kTextEncoder2);
  return base;
}

int64_t numbers_of(const AdapterSpec& spec, const Matrix& matrix) {
  const int64_t magnitude = spec.norm_axis == "input" ? matrix.in : matrix.out;
  if (spec.trains_magnitude_only(matrix.module)) return magnitude;
  if (!spec.targets(matrix.module)) return 0;
  const int64_t rank = spec.rank_of(matrix.module);
  const int64_t update = spec.is_vera() ? rank + matrix.out : rank * (matrix.in + matrix.out);
  return update + (spec.has_magnitude() ? magnitude : 0);
}

int64_t trainable_numbers(const TrainConfig& config, const AdapterSpec& spec, const Base& base) {
  int64_t count = 0;
  for (const auto& [name, numbers] : base.trainables) {
    if (!spec.is_full()) break;
    const bool trains = full_trains_component(config, name.substr(0, name.find('.'))) &&
                        spec.trains_parameter(name.substr(0, name.rfind('.')), name);
    count += trains ? numbers : 0;
  }
  if (spec.is_full()) return count;
  for (const Matrix& matrix : base.matrices) count += numbers_of(spec, matrix);
  return count;
}

// Value, gradient, the optimizer's own and the moving average.
double bytes_of_each(const TrainConfig& config) {
  double bytes = 8;
  if (config.optimizer == "adamw") bytes += config.use_8bit_adam ? 2.1 : 8;
  if (config.optimizer == "lion") bytes += 4;
  if (config.optimizer == "adamw_schedule_free") bytes += 8;
  if (config.optimizer == "prodigy") bytes += 16;
  if (config.optimizer == "adafactor") bytes += 0.2;
  return bytes + (config.use_ema ? 4 : 0);
}

int64_t half_or_full(const std::string& mixed_precision) { return mixed_precision == "no" ? 4 : 2; }

// Keys and values of the frozen layers for one caption, as --text_cache_mb keeps them.
double products_of_a_caption(const Base& base, int64_t bytes) {
  double numbers = 0;
  for (const Matrix& matrix : base.matrices) {
    const bool cross = matrix.module.find("attn2.to_k") != std::string::npos ||
                       matrix.module.find("attn2.to_v") != std::string::npos;
    if (cross) numbers += static_cast<double>(matrix.out);
  }
  return numbers * static_cast<double>(base.text.max_position_embeddings * bytes);
}

double text_activations(const Base& base, const TrainConfig& config, int64_t rows) {
  if (!config.train_text_encoder && !config.train_text_encoder_ti) return 0;
  constexpr double kLayerNumbers = 22;  // as a transformer block of the UNet
  const auto of = [&](const ClipTextConfig& text) {
    return static_cast<double>(text.num_hidden_layers * text.hidden_size *
                               text.max_position_embeddings);
  };
  const auto bytes = static_cast<double>(half_or_full(config.mixed_precision));
  return kLayerNumbers * bytes * static_cast<double>(rows) * (of(base.text) + of(base.text_2));
}

struct Sums {
  const TrainConfig& config;
  const Base& base;
  const RunSize& size;
  bool on_cpu;

  int64_t bytes() const { return half_or_full(config.mixed_precision); }
  int64_t rows() const {
    return config.train_batch_size * (config.with_prior_preservation ? 2 : 1);
  }

  double weights() const {
    const std::string& storage = config.base_quantization;
    const double each = storage == "none"  ? static_cast<double>(bytes())
                        : storage == "nf4" ? kNf4Bytes
                                           : kByteBytes;
    const auto vae = static_cast<double>(base.parameters.at(Component::kVae));
    return base.quantizable * each + base.others * static_cast<double>(bytes()) +
           vae * (config.vae_dtype == "fp32" ? 4 : 2);
  }

  double adapters() const {
    double all = 0;
    for (const NamedSpec& named : adapter_specs(config)) {
      double each = bytes_of_each(config);
      if (named.spec.is_full()) {
        // The weight that the model computes with, where that is a copy, and its gradient; the
        // difference while it is written.
        each += bytes() == 2 ? 4.0 : 0.0;
        each += on_cpu ? 4.0 : 0.0;
      }
      all += each * static_cast<double>(trainable_numbers(config, named.spec, base));
    }
    return all;
  }

  ActivationCount activations() const {
    const int64_t downscale = base.vae.downscale();
    return unet_activations(base.unet,
                            {rows(), size.height / downscale, size.width / downscale, bytes(),
                             config.gradient_checkpointing},
                            on_cpu);
  }

  double latents() const {
    if (config.disk_cache_dir) return 0;
    const int64_t downscale = base.vae.downscale();
    const int64_t numbers =
        base.unet.in_channels * (size.height / downscale) * (size.width / downscale);
    return 8.0 * static_cast<double>(size.examples * config.image_variations * numbers);
  }

  double embeddings() const {
    if (config.disk_cache_dir) return 0;
    const int64_t numbers = base.text.max_position_embeddings * base.unet.cross_attention_dim;
    return static_cast<double>(size.captions * numbers * bytes());
  }

  double text_cache() const {
    const double all = static_cast<double>(size.captions) * products_of_a_caption(base, bytes());
    return std::min(all, static_cast<double>(config.text_cache_mb) * kMb);
  }

  double encoding() const {
    const int64_t pixels = size.width * size.height;
    const int64_t together = std::max<int64_t>(1, kPixelsEncodedTogether / pixels);
    return vae_encode_bytes(base.vae, together * pixels, config.vae_dtype == "fp32" ? 4 : 2);
  }

  double previews() const {
    if (config.validation_prompt.empty()) return 0;
    return vae_decode_bytes(base.vae, config.resolution * config.resolution,
                            config.vae_dtype == "fp32" ? 4 : 2);
  }
};

MemoryForecast memory_of(const TrainConfig& config, const Base& base, const RunSize& size,
                         double start_mb, bool on_cpu) {
  const Sums sums{config, base, size, on_cpu};
  const ActivationCount count = sums.activations();
  MemoryForecast memory;
  const auto add = [&](const char* name, double bytes) {
    if (bytes > 0) memory.parts.push_back({name, bytes / kMb});
  };
  const double first_steps = sums.bytes() == 2 ? kFirstStepsMbHalf : kFirstStepsMb;
  add("program", (start_mb + (on_cpu ? first_steps : 0)) * kMb);
  add("weights", sums.weights());
  add("adapters and optimizer", sums.adapters());
  // On CUDA these stay in the host's memory.
  if (on_cpu) add("latents", sums.latents());
  add("text embeddings", sums.embeddings());
  const double step = count.saved + count.passing + count.packed_weights + sums.text_cache() +
                      text_activations(base, config, sums.rows());
  const double others = std::max(sums.encoding(), sums.previews());
  add(step >= others ? "activations" : "the VAE's work on one picture", std::max(step, others));
  for (const MemoryPart& part : memory.parts) memory.peak_mb += part.mb;
  return memory;
}

struct Change {
  std::string flags;
  std::function<bool(TrainConfig&)> apply;  // false where it is so already
};

// From what leaves the result as it is to what changes it most.
std::vector<Change> changes() {
  const auto set = [](auto member, auto value) {
    return [member, value](TrainConfig& config) {
      if (config.*member == value) return false;
      config.*member = value;
      return true;
    };
  };
  std::vector<Change> list = {
      {"--text_cache_mb 0", set(&TrainConfig::text_cache_mb, int64_t{0})},
      {"--gradient_checkpointing", set(&TrainConfig::gradient_checkpointing, true)},
      {"--train_batch_size 1, with --gradient_accumulation_steps in its place",
       set(&TrainConfig::train_batch_size, int64_t{1})},
      {"--use_8bit_adam",
       [](TrainConfig& config) {
         if (config.optimizer != "adamw" || config.use_8bit_adam) return false;
         return config.use_8bit_adam = true;
       }},
      {"--mixed_precision bf16",
       [](TrainConfig& config) {
         if (config.mixed_precision != "no") return false;
         config.mixed_precision = "bf16";
         return true;
       }},
      {"--base_quantization int8",
       [](TrainConfig& config) {
         if (config.base_quantization != "none") return false;
         config.base_quantization = "int8";
         return true;
       }},
      {"--base_quantization nf4", [](TrainConfig& config) {
         if (config.base_quantization == "nf4") return false;
         config.base_quantization = "nf4";
         return true;
       }}};
  for (const int64_t side : {768, 512, 256}) {
    list.push_back({concat("--resolution ", side), [side](TrainConfig& config) {
                      if (config.resolution <= side) return false;
                      config.resolution = side;
                      return true;
                    }});
  }
  return list;
}

RunSize scaled(RunSize size, int64_t from, int64_t to) {
  size.width = std::max<int64_t>(64, size.width * to / from / 8 * 8);
  size.height = std::max<int64_t>(64, size.height * to / from / 8 * 8);
  return size;
}

std::string flag_of(const std::string& flags) { return flags.substr(0, flags.find(' ')); }

// One change if one is enough, else the shortest beginning of their list that is.
std::string smallest_change(const TrainConfig& config, double limit_mb,
                            const std::function<double(const TrainConfig&)>& peak_mb) {
  for (const Change& change : changes()) {
    TrainConfig changed = config;
    if (change.apply(changed) && peak_mb(changed) <= limit_mb) return change.flags;
  }
  TrainConfig changed = config;
  std::vector<std::string> all;
  for (const Change& change : changes()) {
    if (!change.apply(changed)) continue;
    // A further step of the same flag takes its place.
    if (!all.empty() && flag_of(all.back()) == flag_of(change.flags)) all.pop_back();
    all.push_back(change.flags);
    if (peak_mb(changed) > limit_mb) continue;
    std::string text;
    for (const std::string& flags : all) text += (text.empty() ? "" : " ") + flags;
    return text;
  }
  return "";
}

std::string mb_text(double mb) {
  std::ostringstream out;
  if (mb >= 10000) {
    out << std::fixed << std::setprecision(1) << mb / 1024 << " GB";
  } else {
    out << std::lround(mb) << " MB";
  }
  return out.str();
}

std::string count_text(int64_t count) {
  std::ostringstream out;
  out << std::setprecision(4);
  if (count >= 1'000'000'000) {
    out << static_cast<double>(count) / 1e9 << " billion";
  } else if (count >= 1'000'000) {
    out << static_cast<double>(count) / 1e6 << " million";
  } else {
    out << count;
  }
  return out.str();
}

}  // namespace

RunForecast forecast_run(const TrainConfig& config, const RunSize& size, int64_t sharing) {
  const Base base = read_base(config);
  const Device device = open_device(config.device);
  const bool on_cpu = device.kind == Device::Kind::kCpu;
  const double start_mb = on_cpu ? resident_memory_mb() : kCudaContextMb;
  const auto memory = [&](const TrainConfig& other) {
    const bool same = other.resolution == config.resolution;
    return memory_of(other, base, same ? size : scaled(size, config.resolution, other.resolution),
                     start_mb, on_cpu);
  };
  RunForecast forecast;
  for (const Component component : kComponents)
    forecast.parameters.emplace_back(component_name(component), base.parameters.at(component));
  for (const NamedSpec& named : adapter_specs(config))
    forecast.trainable.emplace_back(named.name, trainable_numbers(config, named.spec, base));
  forecast.memory = memory(config);
  TrainConfig other = config;
  other.gradient_checkpointing = true;
  forecast.with_checkpointing_mb = memory(other).peak_mb;
  other.gradient_checkpointing = false;
  forecast.without_checkpointing_mb = memory(other).peak_mb;
  other = config;
  other.text_cache_mb = 0;
  other.disk_cache_dir = "";
  forecast.without_caches_mb = memory(other).peak_mb;
  forecast.limit_mb = static_cast<double>(memory_for_this_process(device)) / kMb;
  if (on_cpu) forecast.limit_mb /= static_cast<double>(sharing);
  if (config.memory_limit_mb) forecast.limit_mb = static_cast<double>(*config.memory_limit_mb);
  if (forecast.limit_mb <= 0) forecast.limit_mb = INFINITY;  // not known
  if (!forecast.fits()) {
    forecast.smallest_change =
        smallest_change(config, forecast.limit_mb,
                        [&](const TrainConfig& changed) { return memory(changed).peak_mb; });
  }
  return forecast;
}

RunForecast forecast_training(const TrainConfig& config) {
  check_train_config(config);
  return forecast_run(
      config, run_size(example_request(config, 0, "instance", instance_pictures(config).pictures)));
}

std::string forecast_line(const RunForecast& forecast) {
  std::string text = concat("memory at most ", mb_text(forecast.memory.peak_mb));
  if (std::isfinite(forecast.limit_mb)) text += concat(" of ", mb_text(forecast.limit_mb));
  for (size_t i = 0; i < forecast.memory.parts.size(); ++i) {
    const MemoryPart& part = forecast.memory.parts[i];
    text += concat(i == 0 ? ": " : " + ", part.name, " ", mb_text(part.mb));
  }
  return text;
}

std::string forecast_text(const RunForecast& forecast) {
  const auto list = [](const auto& items) {
    std::string names;
    for (const auto& [name, count] : items)
      names += concat(names.empty() ? "" : ", ", name, " ", count_text(count));
    return names;
  };
  return concat("parameters: ", list(forecast.parameters),
                "\ntrainable: ", list(forecast.trainable), "\n", forecast_line(forecast),
                "\nwith --gradient_checkpointing ", mb_text(forecast.with_checkpointing_mb),
                ", without ", mb_text(forecast.without_checkpointing_mb), "; without caches ",
                mb_text(forecast.without_caches_mb), "\n");
}

void refuse_what_does_not_fit(const RunForecast& forecast) {
  if (forecast.fits()) return;
  fail("this run needs ", mb_text(forecast.memory.peak_mb), " of memory and there are ",
       mb_text(forecast.limit_mb), "; ",
       forecast.smallest_change.empty()
           ? std::string("no setting makes it fit")
           : "the smallest change that fits: " + forecast.smallest_change,
       " (--memory_limit_mb ", std::lround(std::ceil(forecast.memory.peak_mb)),
       " runs it all the same)");
}

}  // namespace dorabooth
