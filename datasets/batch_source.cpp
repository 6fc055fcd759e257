// Rows come from the streams "<name>/order", "/posterior", "/noise" and "/timestep", by
// (micro-step, row).
#include "datasets/batch_source.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <span>

#include "src/base/error.h"
#include "src/base/random_stream.h"

namespace dorabooth {

struct BatchSource::Rows {
  std::vector<at::Tensor> latents;
  std::vector<at::Tensor> noise;
  std::vector<at::Tensor> input_noise;
  std::vector<at::Tensor> time_ids;
  std::vector<int64_t> timesteps;
  std::vector<std::string> captions;
  std::vector<float> weights;
  std::vector<at::Tensor> masks;  // undefined for 1
};

namespace {

at::Tensor normal_like(const at::Tensor& like, const RandomStream& stream, int64_t micro_step,
                       uint32_t row) {
  at::Tensor values = at::empty(like.sizes(), at::kFloat);
  stream.normal(static_cast<uint64_t>(micro_step), row,
                std::span<float>(values.data_ptr<float>(), static_cast<size_t>(values.numel())));
  return values;
}

std::vector<PictureSize> sizes_of(const ExampleSet& set) {
  std::vector<PictureSize> sizes;
  for (const Example& example : set.examples) sizes.push_back(example.size);
  return sizes;
}

// Undefined if all are 1.
at::Tensor stacked_masks(std::vector<at::Tensor>& masks, const at::Tensor& latents) {
  bool any = false;
  for (const at::Tensor& mask : masks) any |= mask.defined();
  if (!any) return {};
  for (at::Tensor& mask : masks) {
    if (!mask.defined()) mask = at::ones({1, latents.size(2), latents.size(3)}, at::kFloat);
  }
  return at::stack(masks);
}

at::Tensor twice(const at::Tensor& tensor) {
  return tensor.defined() ? at::cat({tensor, tensor}) : tensor;
}

// `two` follows `one` in the same tensors.
void append(TrainingBatch& one, const TrainingBatch& two) {
  one.latents = at::cat({one.latents, two.latents});
  one.noise = at::cat({one.noise, two.noise});
  if (one.input_noise.defined()) one.input_noise = at::cat({one.input_noise, two.input_noise});
  one.timesteps = at::cat({one.timesteps, two.timesteps});
  one.time_ids = at::cat({one.time_ids, two.time_ids});
  one.captions.insert(one.captions.end(), two.captions.begin(), two.captions.end());
}

}  // namespace

BatchSource::Stream::Stream(std::string stream, ExampleSet examples, const BatchOptions& options)
    : name(std::move(stream)),
      set(std::move(examples)),
      order(sizes_of(set), options.seed, name, options.batch_size * options.share.world) {}

BatchSource::BatchSource(ExampleSet instance_set, std::optional<ExampleSet> class_set,
                         const BatchOptions& options)
    : options_(options),
      instance_("instance", std::move(instance_set), options),
      timesteps_(options.timesteps, options.num_train_timesteps) {
  if (class_set) class_.emplace("class", std::move(*class_set), options);
}

void BatchSource::append_row(const Stream& stream, const OrderedRow& picked, int64_t micro_step,
                             uint32_t row, Rows& rows) const {
  const uint64_t seed = options_.seed;
  const RandomStream posterior_draws(seed, stream.name + "/posterior");
  const RandomStream noise_draws(seed, stream.name + "/noise");
  const RandomStream timestep_draws(seed, stream.name + "/timestep");
  const Example& example = stream.set.examples[static_cast<size_t>(picked.example)];
  const auto variations = static_cast<int64_t>(example.variations.size());
  const ExampleVariation& variation =
      example.variations[static_cast<size_t>(picked.epoch % variations)];
  const LatentPosterior posterior = variation.posterior->load();
  const at::Tensor sampled =
      posterior.mean +
      posterior.std * normal_like(posterior.mean, posterior_draws, micro_step, row);
  rows.latents.push_back(sampled * options_.scaling_factor);
  const RowNoise noise =
      training_noise(options_.noise, normal_like(posterior.mean, noise_draws, micro_step, row),
                     seed, stream.name, micro_step, row);
  rows.noise.push_back(noise.target);
  rows.input_noise.push_back(noise.input);
  rows.time_ids.push_back(variation.time_ids);
  rows.timesteps.push_back(timesteps_.draw(timestep_draws, micro_step, row));
  rows.captions.push_back(caption_of(stream, picked.example, micro_step, row));
  rows.weights.push_back(static_cast<float>(example.loss_weight));
  rows.masks.push_back(variation.mask);
}

TrainingBatch BatchSource::stacked(Rows rows, int64_t whole_rows) const {
  TrainingBatch batch;
  batch.captions = std::move(rows.captions);
  const auto count = static_cast<int64_t>(batch.captions.size());
  batch.share = static_cast<double>(count * options_.share.world) / static_cast<double>(whole_rows);
  if (batch.captions.empty()) return batch;
  batch.latents = at::stack(rows.latents);
  batch.noise = at::stack(rows.noise);
  if (options_.noise.perturbation != 0) batch.input_noise = at::stack(rows.input_noise);
  batch.time_ids = at::stack(rows.time_ids);
  batch.timesteps = at::tensor(rows.timesteps);
  batch.masks = stacked_masks(rows.masks, batch.latents);
  bool weighted = false;
  for (const float weight : rows.weights) weighted |= weight != 1.0f;
  if (weighted) batch.loss_weights = at::tensor(rows.weights);
  return batch;
}

TrainingBatch BatchSource::rows_of(const Stream& stream, int64_t micro_step) const {
  const std::vector<OrderedRow> picked = stream.order.batch(micro_step);
  const auto count = static_cast<int64_t>(picked.size());
  const int64_t first = std::min(count, options_.share.rank * options_.batch_size);
  const int64_t last = std::min(count, first + options_.batch_size);
  Rows rows;
  for (int64_t row = first; row < last; ++row) {
    append_row(stream, picked[static_cast<size_t>(row)], micro_step, static_cast<uint32_t>(row),
               rows);
  }
  return stacked(std::move(rows), count);
}

// A class prompt stays what it is: it is what the pictures were drawn with.
std::string BatchSource::caption_of(const Stream& stream, int64_t example, int64_t micro_step,
                                    uint32_t row) const {
  const Example& of = stream.set.examples[static_cast<size_t>(example)];
  const std::string* caption = &of.caption;
  if (!of.alternatives.empty()) {
    const uint32_t chosen = RandomStream(options_.seed, stream.name + "/caption")
                                .integer(static_cast<uint64_t>(micro_step), row,
                                         static_cast<uint32_t>(of.alternatives.size() + 1));
    if (chosen > 0) caption = &of.alternatives[chosen - 1];
  }
  if (&stream != &instance_) return *caption;
  return drawn_caption(options_.captions, *caption, options_.seed, stream.name, micro_step, row);
}

// The same pictures, noise and timesteps once more; masks and weights are the instances' alone.
void BatchSource::append_prior_rows(TrainingBatch& batch, int64_t micro_step) const {
  if (batch.rows() == 0) return;
  const std::vector<OrderedRow> picked = instance_.order.batch(micro_step);
  const int64_t first = options_.share.rank * options_.batch_size;
  const int64_t rows = batch.rows();
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t example = picked[static_cast<size_t>(first + row)].example;
    const auto& prompt = instance_.set.examples[static_cast<size_t>(example)].class_prompt;
    if (!prompt) fail("prior preservation by the base: a picture's concept has no class_prompt");
    batch.captions.push_back(*prompt);
  }
  batch.latents = twice(batch.latents);
  batch.noise = twice(batch.noise);
  batch.input_noise = twice(batch.input_noise);
  batch.timesteps = twice(batch.timesteps);
  batch.time_ids = twice(batch.time_ids);
}

TrainingBatch BatchSource::batch(int64_t micro_step) const {
  TrainingBatch batch = rows_of(instance_, micro_step);
  batch.instance_rows = batch.rows();
  if (options_.prior_from_base) append_prior_rows(batch, micro_step);
  if (!class_) return batch;
  TrainingBatch of_class = rows_of(*class_, micro_step);
  const bool fits = batch.rows() > 0 && of_class.rows() > 0 &&
                    batch.latents.sizes().slice(1) == of_class.latents.sizes().slice(1) &&
                    batch.share == of_class.share;
  if (fits) {
    append(batch, of_class);
  } else {
    batch.of_class = std::make_shared<const TrainingBatch>(std::move(of_class));
  }
  return batch;
}

int64_t BatchSource::pixels(int64_t micro_step) const {
  int64_t sum = 0;
  for (const OrderedRow& row : instance_.order.batch(micro_step)) {
    const PictureSize size = instance_.set.examples[static_cast<size_t>(row.example)].size;
    sum += int64_t{size.width} * size.height;
  }
  return sum;
}

std::vector<std::string> BatchSource::captions() const {
  std::vector<std::string> result;
  std::set<std::string> seen;
  const auto add = [&](const std::string& caption) {
    if (seen.insert(caption).second) result.push_back(caption);
  };
  const auto add_all = [&](const ExampleSet& set) {
    for (const Example& example : set.examples) add(example.caption);
    for (const Example& example : set.examples) {
      for (const std::string& caption : example.alternatives) add(caption);
    }
  };
  add_all(instance_.set);
  if (class_) add_all(class_->set);
  if (options_.prior_from_base) {
    for (const Example& example : instance_.set.examples) {
      if (example.class_prompt) add(*example.class_prompt);
    }
  }
  if (options_.captions.empty_share > 0) add("");
  return result;
}

}  // namespace dorabooth
