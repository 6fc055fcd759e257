// Rows come from the streams "<name>/order", "/posterior", "/noise" and "/timestep", by
// (micro-step, row).
#include "datasets/batch_source.h"

#include <ATen/ATen.h>

#include <set>
#include <span>

#include "src/base/random_stream.h"

namespace dorabooth {

struct BatchSource::Rows {
  std::vector<at::Tensor> latents;
  std::vector<at::Tensor> noise;
  std::vector<at::Tensor> input_noise;
  std::vector<at::Tensor> time_ids;
  std::vector<int64_t> timesteps;
  std::vector<std::string> captions;
};

namespace {

at::Tensor normal_like(const at::Tensor& like, const RandomStream& stream, int64_t micro_step,
                       uint32_t row) {
  at::Tensor values = at::empty(like.sizes(), at::kFloat);
  stream.normal(static_cast<uint64_t>(micro_step), row,
                std::span<float>(values.data_ptr<float>(), static_cast<size_t>(values.numel())));
  return values;
}

}  // namespace

BatchSource::BatchSource(ExampleSet instance_set, std::optional<ExampleSet> class_set,
                         uint64_t seed, int64_t batch_size, double scaling_factor,
                         int64_t num_train_timesteps, const NoiseOptions& noise,
                         const TimestepOptions& timesteps, const CaptionOptions& captions)
    : instance_{"instance", std::move(instance_set)},
      seed_(seed),
      batch_size_(batch_size),
      scaling_factor_(scaling_factor),
      noise_(noise),
      timesteps_(timesteps, num_train_timesteps),
      caption_options_(captions) {
  if (class_set) class_ = Stream{"class", std::move(*class_set)};
}

void BatchSource::append_rows(const Stream& stream, int64_t micro_step, Rows& rows) const {
  const RandomStream order(seed_, stream.name + "/order");
  const RandomStream posterior(seed_, stream.name + "/posterior");
  const RandomStream noise(seed_, stream.name + "/noise");
  const RandomStream timestep(seed_, stream.name + "/timestep");
  const ExampleSet& examples = stream.examples;
  std::vector<int64_t> permutation;
  int64_t permuted_epoch = -1;
  for (int64_t i = 0; i < batch_size_; ++i) {
    const int64_t position = micro_step * batch_size_ + i;
    const int64_t epoch = position / examples.size();
    if (epoch != permuted_epoch) {
      permutation = order.permutation(static_cast<uint64_t>(epoch), 0, examples.size());
      permuted_epoch = epoch;
    }
    const int64_t example = permutation[static_cast<size_t>(position % examples.size())];
    const auto row = static_cast<uint32_t>(i);
    const at::Tensor mean = examples.mean[example];
    const at::Tensor sampled =
        mean + examples.std[example] * normal_like(mean, posterior, micro_step, row);
    rows.latents.push_back(sampled * scaling_factor_);
    const RowNoise row_noise = training_noise(noise_, normal_like(mean, noise, micro_step, row),
                                              seed_, stream.name, micro_step, row);
    rows.noise.push_back(row_noise.target);
    rows.input_noise.push_back(row_noise.input);
    rows.time_ids.push_back(examples.time_ids[example]);
    rows.timesteps.push_back(timesteps_.draw(timestep, micro_step, row));
    rows.captions.push_back(caption_of(stream, example, micro_step, row));
  }
}

// A class prompt stays what it is: it is what the pictures were drawn with.
std::string BatchSource::caption_of(const Stream& stream, int64_t example, int64_t micro_step,
                                    uint32_t row) const {
  const auto i = static_cast<size_t>(example);
  const std::string* caption = &stream.examples.captions[i];
  if (!stream.examples.alternatives.empty() && !stream.examples.alternatives[i].empty()) {
    const std::vector<std::string>& others = stream.examples.alternatives[i];
    const uint32_t chosen = RandomStream(seed_, stream.name + "/caption")
                                .integer(static_cast<uint64_t>(micro_step), row,
                                         static_cast<uint32_t>(others.size() + 1));
    if (chosen > 0) caption = &others[chosen - 1];
  }
  if (&stream != &instance_) return *caption;
  return drawn_caption(caption_options_, *caption, seed_, stream.name, micro_step, row);
}

TrainingBatch BatchSource::batch(int64_t micro_step) const {
  Rows rows;
  append_rows(instance_, micro_step, rows);
  if (class_) append_rows(*class_, micro_step, rows);
  TrainingBatch batch;
  batch.latents = at::stack(rows.latents);
  batch.noise = at::stack(rows.noise);
  if (noise_.perturbation != 0) batch.input_noise = at::stack(rows.input_noise);
  batch.time_ids = at::stack(rows.time_ids);
  batch.timesteps = at::tensor(rows.timesteps);
  batch.captions = std::move(rows.captions);
  batch.instance_rows = batch_size_;
  return batch;
}

std::vector<std::string> BatchSource::captions() const {
  std::vector<std::string> result;
  std::set<std::string> seen;
  const auto add_all = [&](const std::vector<std::string>& captions) {
    for (const std::string& caption : captions) {
      if (seen.insert(caption).second) result.push_back(caption);
    }
  };
  const auto add = [&](const ExampleSet& examples) {
    add_all(examples.captions);
    for (const auto& alternatives : examples.alternatives) add_all(alternatives);
  };
  add(instance_.examples);
  if (class_) add(class_->examples);
  if (caption_options_.empty_share > 0 && seen.insert("").second) result.emplace_back();
  return result;
}

}  // namespace dorabooth
