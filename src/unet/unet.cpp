// Activations are channels_last throughout, so that the transformers' tokens are views of them.
#include "src/unet/unet.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/nn/module_list.h"
#include "src/nn/temporary.h"

namespace dorabooth {

namespace {

// Shape of level `i`, counted from the top; the blocks differ in resnets, attention and sampler.
UNetBlockShape level_shape(const UNetConfig& config, size_t i) {
  UNetBlockShape shape;
  shape.out_channels = config.block_out_channels[i];
  shape.embedding_features = config.time_embed_dim();
  shape.norm_eps = config.norm_eps;
  shape.transformer = {.channels = shape.out_channels,
                       .context_channels = config.cross_attention_dim,
                       .heads = config.attention_head_dim[i],
                       .blocks = config.transformer_layers_per_block[i],
                       .norm_groups = config.norm_num_groups};
  return shape;
}

UNetBlockShape down_shape(const UNetConfig& config, size_t i) {
  UNetBlockShape shape = level_shape(config, i);
  shape.resnet_in_channels.assign(static_cast<size_t>(config.layers_per_block), shape.out_channels);
  shape.resnet_in_channels[0] = config.block_out_channels[i == 0 ? 0 : i - 1];
  shape.attention = config.down_block_types[i] == "CrossAttnDownBlock2D";
  shape.resample = i + 1 < config.levels();
  return shape;
}

UNetBlockShape mid_shape(const UNetConfig& config) {
  UNetBlockShape shape = level_shape(config, config.levels() - 1);
  shape.resnet_in_channels = {shape.out_channels, shape.out_channels};
  return shape;
}

// The i-th block on the way up works at level `levels - 1 - i` and takes the skips that this
// level's resnets left, plus the one that came into the level.
UNetBlockShape up_shape(const UNetConfig& config, size_t i) {
  const std::vector<int64_t>& channels = config.block_out_channels;
  const size_t level = config.levels() - 1 - i;
  UNetBlockShape shape = level_shape(config, level);
  const int64_t from_below = channels[i == 0 ? level : level + 1];
  const int64_t from_above = channels[level == 0 ? 0 : level - 1];
  const auto resnets = static_cast<size_t>(config.layers_per_block) + 1;
  for (size_t j = 0; j < resnets; ++j) {
    const int64_t hidden = j == 0 ? from_below : shape.out_channels;
    const int64_t skip = j + 1 == resnets ? from_above : shape.out_channels;
    shape.resnet_in_channels.push_back(hidden + skip);
  }
  shape.attention = config.up_block_types[i] == "CrossAttnUpBlock2D";
  shape.resample = level > 0;
  return shape;
}

void check_shape(const char* name, const at::Tensor& tensor, const std::vector<int64_t>& want) {
  bool matches = tensor.dim() == static_cast<int64_t>(want.size());
  for (size_t i = 0; matches && i < want.size(); ++i) {
    matches = want[i] < 0 || tensor.size(static_cast<int64_t>(i)) == want[i];
  }
  if (!matches) {
    fail("unet: ", name, " wants ", shape_text(want), " (-1: any), got ",
         shape_text(tensor.sizes().vec()));
  }
}

// What was kept without a graph must not stand in for outputs that need one.
std::shared_ptr<nn::ContextCache> usable(const std::shared_ptr<nn::ContextCache>& cache) {
  return cache && at::GradMode::is_enabled() && !cache->serves_training() ? nullptr : cache;
}

}  // namespace

UNet::UNet(const UNetConfig& config, const at::TensorOptions& options) : config_(config) {
  const int64_t first = config.block_out_channels[0];
  conv_in_ = register_module(
      "conv_in", std::make_shared<nn::Conv2d>(config.in_channels, first, nn::Window{}, options));
  const auto embedding = [&](int64_t in_features) {
    return std::make_shared<nn::TimestepEmbedding>(in_features, config.time_embed_dim(), options);
  };
  time_embedding_ = register_module("time_embedding", embedding(first));
  add_embedding_ =
      register_module("add_embedding", embedding(*config.projection_class_embeddings_input_dim));
  const auto down = register_module("down_blocks", std::make_shared<nn::ModuleList>());
  const auto up = register_module("up_blocks", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < config.levels(); ++i) {
    down_blocks_.push_back(
        down->set(i, std::make_shared<UNetDownBlock>(down_shape(config, i), options)));
  }
  for (size_t i = 0; i < config.levels(); ++i) {
    up_blocks_.push_back(up->set(i, std::make_shared<UNetUpBlock>(up_shape(config, i), options)));
  }
  mid_block_ =
      register_module("mid_block", std::make_shared<UNetMidBlock>(mid_shape(config), options));
  conv_norm_out_ = register_module(
      "conv_norm_out",
      std::make_shared<nn::GroupNorm>(config.norm_num_groups, first, config.norm_eps, options));
  conv_out_ = register_module(
      "conv_out", std::make_shared<nn::Conv2d>(first, config.out_channels, nn::Window{}, options));
}

at::Tensor UNet::embed(const UNetInputs& inputs, at::ScalarType dtype) const {
  const at::Tensor time = nn::sinusoid(inputs.timesteps, config_.block_out_channels[0]);
  probe_.show("time_proj", time);
  const at::Tensor time_embedding = time_embedding_->forward(time.to(dtype));
  probe_.show("time_embedding", time_embedding);
  const at::Tensor numbers = nn::sinusoid(inputs.time_ids, *config_.addition_time_embed_dim);
  probe_.show("add_time_proj", numbers);
  const int64_t batch = inputs.time_ids.size(0);
  const at::Tensor added = add_embedding_->forward(
      at::cat({inputs.text_embeds.to(dtype), numbers.view({batch, -1}).to(dtype)}, 1));
  probe_.show("add_embedding", added);
  return time_embedding + added;
}

at::Tensor UNet::forward(const UNetInputs& inputs) const {
  const int64_t batch = inputs.sample.size(0);
  check_shape("sample", inputs.sample, {-1, config_.in_channels, -1, -1});
  check_shape("timesteps", inputs.timesteps, {batch});
  check_shape("encoder_hidden_states", inputs.encoder_hidden_states,
              {batch, -1, config_.cross_attention_dim});
  check_shape("text_embeds", inputs.text_embeds, {batch, config_.pooled_features()});
  check_shape("time_ids", inputs.time_ids, {batch, UNetConfig::kTimeIds});

  const at::ScalarType dtype = conv_in_->dtype();
  const UNetContext context{.silu_embedding = nn::silu_of_temporary(embed(inputs, dtype)),
                            .encoder_hidden_states = inputs.encoder_hidden_states.to(dtype),
                            .checkpointing = checkpointing_,
                            .cache = usable(inputs.cache)};
  at::Tensor x =
      conv_in_->forward(inputs.sample.to(dtype).contiguous(at::MemoryFormat::ChannelsLast));
  probe_.show("conv_in", x);

  std::vector<at::Tensor> skips = {x};
  for (size_t i = 0; i < down_blocks_.size(); ++i) {
    x = down_blocks_[i]->forward(x, context, skips, probe_.inside("down_blocks", i));
    probe_.show("down_blocks." + std::to_string(i), x);
  }
  x = mid_block_->forward(x, context, probe_.inside("mid_block"));
  probe_.show("mid_block", x);
  for (size_t i = 0; i < up_blocks_.size(); ++i) {
    x = up_blocks_[i]->forward(x, context, skips, probe_.inside("up_blocks", i));
    probe_.show("up_blocks." + std::to_string(i), x);
  }
  x = conv_norm_out_->forward(x);
  probe_.show("conv_norm_out", x);
  return conv_out_->forward(nn::silu_of_temporary(x)).contiguous();
}

}  // namespace dorabooth
