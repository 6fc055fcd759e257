// The parts of an AdapterSpec that the tensors themselves show: ranks, alphas, targets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "src/adapter/set.h"

namespace dorabooth {

// alpha/rank, or alpha/sqrt(rank) with rsLoRA.
double update_scale(const AdapterTensors& tensors, bool use_rslora);

// With A and B of zeros, rank 1 and scale 1, where there is a magnitude alone: readers expect them.
AdapterTensors with_directions(AdapterTensors tensors);

// `spec` with rank, alpha and their patterns such that rank_of and alpha_of give what every module
// has; unchanged where they do already.
AdapterSpec spec_with_scales(AdapterSpec spec,
                             const std::map<std::string, AdapterTensors>& modules);

// Patterns that select just `modules` among `layers`: name endings ("to_q") where these do, else
// endings in a component ("text_encoder.*.q_proj"), else full names.
std::vector<std::string> targets_of(const std::map<std::string, AdapterTensors>& modules,
                                    const LinearLayers& layers);

// "to_q", "to_out.0": the last part of a name, with the one before it where it is a number.
std::string name_ending(const std::string& module);

}  // namespace dorabooth
