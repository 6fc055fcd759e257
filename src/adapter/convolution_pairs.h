// LoRA and DoRA of convolutions as diffusers' and PEFT's files hold them: pairs of factors, A a
// convolution to the rank, B a 1×1 one from it, m one number per output channel.
#pragma once

#include <map>
#include <string>

#include "src/adapter/adapter_contents.h"

namespace dorabooth {

// The pairs of linear layers and, with A [r, in, kh, kw] and B [out, r, 1, 1], of the patches; a
// Tucker form is multiplied out. The specification says whether there are magnitudes, and whose.
// Throws, naming the parameter, where a patch is no such pair; `to` is the format's name.
AdapterFile with_convolution_pairs(const AdapterContents& contents, const std::string& to);

// PEFT's use_dora is one for a component: throws where a part of its modules has magnitudes.
void require_whole_components(const std::map<std::string, AdapterTensors>& modules);

// m as PEFT has it: [out], of a convolution [1, out, 1, 1].
at::Tensor peft_magnitude(const std::string& module, const AdapterTensors& own);

}  // namespace dorabooth
