// Per pixel and channel, a transformer block keeps 21 numbers: its input, the two normed inputs of
// its attentions, query, key, value and context of the one, query and context of the other, what
// their output projections gave (for dm), two sums, and the feed-forward's 8. Half precision keeps
// some of them in fp32 too. A resnet keeps the inputs of its two norms. Checked against measured
// peaks by tests/pipelines/forecast_test.cpp.
#include "pipelines/parts/activation_count.h"

#include <algorithm>

namespace dorabooth {

namespace {

constexpr double kBlockNumbers = 21;
constexpr double kBlockNumbersHalf = 25;
constexpr double kAroundBlocks = 3;  // group norm, projection in, sum at the end
// As in src/nn/convolution_weight.cpp.
constexpr int64_t kMostPackedPixels = 1024;
constexpr double kLeastPackedBytesOfFp32 = 3 << 20;

class Walk {
 public:
  Walk(const UNetConfig& config, const StepShape& shape, bool on_cpu)
      : config_(config), shape_(shape), on_cpu_(on_cpu) {
    height_ = shape.latent_height;
    width_ = shape.latent_width;
    channels_ = config.block_out_channels[0];
  }

  ActivationCount count() {
    down();
    resnet(channels_, channels_, false);
    transformer(config_.levels() - 1);
    resnet(channels_, channels_, false);
    up();
    const double scale = static_cast<double>(shape_.rows * shape_.bytes);
    ActivationCount result;
    result.saved = scale * (shape_.checkpointing ? inputs_ + largest_segment_ : saved_);
    result.passing = shape_.checkpointing ? 0.0 : scale * passing_;
    result.packed_weights = packed_;
    return result;
  }

 private:
  double pixels() const { return static_cast<double>(height_ * width_); }

  void convolution(int64_t in, int64_t out) {
    const double bytes = static_cast<double>(9 * in * out * shape_.bytes);
    const bool small = shape_.rows * height_ * width_ <= kMostPackedPixels;
    if (on_cpu_ && small && (shape_.bytes == 2 || bytes >= kLeastPackedBytesOfFp32))
      packed_ += bytes;
  }

  void resnet(int64_t in, int64_t out, bool concatenated) {
    convolution(in, out);
    convolution(out, out);
    const double n = pixels();
    const auto wide = static_cast<double>(in);
    const auto narrow = static_cast<double>(out);
    passing_ = std::max(passing_, n * (wide + 3 * narrow));
    channels_ = out;
    if (!in_graph_) return;
    const double joined = concatenated ? wide : 0.0;
    saved_ += n * (2 * narrow + joined);
    inputs_ += n * (narrow + joined);
    largest_segment_ = std::max(largest_segment_, n * (wide + 4 * narrow));
  }

  void transformer(size_t level) {
    const double numbers = pixels() * static_cast<double>(config_.block_out_channels[level]);
    const auto blocks = static_cast<double>(config_.transformer_layers_per_block[level]);
    const double each = shape_.bytes == 2 ? kBlockNumbersHalf : kBlockNumbers;
    saved_ += numbers * (kAroundBlocks + blocks * each);
    inputs_ += numbers * (kAroundBlocks + blocks);
    largest_segment_ = std::max(largest_segment_, numbers * each);
    passing_ = std::max(passing_, 14 * numbers);
    in_graph_ = true;
  }

  void down() {
    skips_.push_back(channels_);
    for (size_t level = 0; level < config_.levels(); ++level) {
      const bool attention = config_.down_block_types[level].starts_with("CrossAttn");
      for (int64_t i = 0; i < config_.layers_per_block; ++i) {
        resnet(channels_, config_.block_out_channels[level], false);
        if (attention) transformer(level);
        skips_.push_back(channels_);
      }
      if (level + 1 == config_.levels()) break;
      height_ = (height_ + 1) / 2;
      width_ = (width_ + 1) / 2;
      convolution(channels_, channels_);
      skips_.push_back(channels_);
    }
  }

  void up() {
    for (size_t level = config_.levels(); level-- > 0;) {
      const size_t number = config_.levels() - 1 - level;
      const bool attention = config_.up_block_types[number].starts_with("CrossAttn");
      for (int64_t i = 0; i <= config_.layers_per_block; ++i) {
        resnet(channels_ + skips_.back(), config_.block_out_channels[level], true);
        skips_.pop_back();
        if (attention) transformer(level);
      }
      if (level == 0) break;
      height_ *= 2;
      width_ *= 2;
      convolution(channels_, channels_);
    }
  }

  const UNetConfig& config_;
  const StepShape& shape_;
  bool on_cpu_;
  bool in_graph_ = false;
  int64_t height_ = 0;
  int64_t width_ = 0;
  int64_t channels_ = 0;
  std::vector<int64_t> skips_;
  double saved_ = 0.0;            // numbers a row
  double inputs_ = 0.0;           // of segments
  double largest_segment_ = 0.0;  // recomputed at a time
  double passing_ = 0.0;
  double packed_ = 0.0;  // bytes
};

}  // namespace

ActivationCount unet_activations(const UNetConfig& config, const StepShape& shape, bool on_cpu) {
  return Walk(config, shape, on_cpu).count();
}

// Measured, in tensors at full resolution: the input of a resnet, its normed form, the
// convolution's output and what oneDNN reorders.
double vae_encode_bytes(const VaeConfig& config, int64_t pixels, int64_t bytes) {
  return 5.0 * static_cast<double>(config.block_out_channels[0] * pixels * bytes);
}

// The same after the last upsampling, whose convolution has the channels of the level below.
double vae_decode_bytes(const VaeConfig& config, int64_t pixels, int64_t bytes) {
  const int64_t below = config.block_out_channels[config.levels() > 1 ? 1 : 0];
  return static_cast<double>((4 * below + config.block_out_channels[0]) * pixels * bytes);
}

}  // namespace dorabooth
