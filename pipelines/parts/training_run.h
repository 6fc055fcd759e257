// What a training run is, from its config: adapters, checks, run.json. Internal to pipelines/train.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "datasets/image_folder.h"
#include "pipelines/train.h"
#include "src/adapter/set.h"
#include "src/adapter/spec.h"
#include "src/optimizer/lr_schedule.h"

namespace dorabooth {

// The adapters of a run as the config asks for them, with the names of their folders and metrics.
struct NamedSpec {
  std::string name;
  AdapterSpec spec;
  std::optional<double> learning_rate = {};  // its own, before scale_lr; absent: the run's
};
// An adapter may have a learning_rate and a name among its settings, so that each method of a twin
// run can have its own rate.
std::vector<NamedSpec> adapter_specs(const TrainConfig& config);

// The UNet's blocks that use_blora or lora_unet_blocks name ("up_blocks.0.attentions.0"); empty
// where neither is given.
std::vector<std::string> unet_blocks_of(const TrainConfig& config);
// Throws if one of them holds none of what trains.
void require_unet_blocks(const TrainConfig& config, const std::vector<AdapterParameter>& trained);

// Checks what no single field can: paths, prior preservation, the schedule. Throws UsageError.
void check_train_config(const TrainConfig& config);

LrSchedule lr_schedule_of(const TrainConfig& config, int64_t total_steps);

// What bits depend on beside the config.
nlohmann::json environment_of(const TrainConfig& config);
nlohmann::json environment_of(const TrainConfig& config, int64_t processes);

// OUT/run.json: the resolved config, and the environment under "_environment".
void write_run_json(const TrainConfig& config, int64_t processes);

// Changes if a picture's bytes, a caption, a drawn crop or the order changes.
std::string digest_of(const std::vector<CaptionedPicture>& pictures);

}  // namespace dorabooth
