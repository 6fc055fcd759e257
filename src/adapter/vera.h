// VeRA (Kopiczko et al. 2024): one pair of frozen random matrices A and B for all modules of a
// model, scaled by two trained vectors a module: W' = W + diag(b)·B·diag(d)·A. DVoRA is DoRA over
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "src/adapter/set.h"

namespace dorabooth {

// A [rank, in] and B [out, rank] for the widest module of each axis; a module takes the first
// columns of A and the first rows of B.
struct VeraProjections {
  at::Tensor a;
  at::Tensor b;
};

// Kaiming uniform from a torch generator with this seed: the numbers of PEFT's VeraModel.
VeraProjections draw_vera_projections(int64_t rank, int64_t in, int64_t out, int64_t key);

// By component, over the modules that `spec` targets.
std::map<std::string, VeraProjections> vera_projections(const AdapterSpec& spec,
                                                        const LinearLayers& layers);

// The same adapters as LoRA or DoRA: A becomes diag(d)·A and B diag(b)·B, alpha the rank.
std::map<std::string, AdapterTensors> vera_as_lora(std::map<std::string, AdapterTensors> modules);

}  // namespace dorabooth
