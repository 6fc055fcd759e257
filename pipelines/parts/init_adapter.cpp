// The numbers are copied in place: an optimizer may hold the parameters already.
#include "pipelines/parts/init_adapter.h"

#include <ATen/ATen.h>

#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "src/ops/adapter_linear.h"

namespace dorabooth {

namespace {

struct Beginning {
  const AdapterFile& file;
  const AdapterCore& core;
  bool input_axis;
  const FrozenWeight& weight;
  double scale;  // of the run
};

// m of a DoRA that begins as the LoRA with these A and B: norms that leave every row as it is.
at::Tensor norms_of(const Beginning& begin, const at::Tensor& a, const at::Tensor& b,
                    const at::Tensor& like) {
  const at::Tensor down = a.to(like.device()).contiguous();
  const at::Tensor up = b.to(like.device()).contiguous();
  if (begin.input_axis) {
    return merged_column_norms(begin.weight, down, up, begin.scale, begin.core);
  }
  return dora_row_norm(begin.weight, down, up, like, begin.scale, begin.core).norm;
}

// By the last part of the parameter's name.
at::Tensor value_of(const AdapterParameter& parameter, const AdapterTensors& own,
                    const Beginning& begin) {
  const double file_scale = begin.file.spec.scale_of(parameter.module);
  const at::Tensor b = file_scale == begin.scale ? own.b : own.b * (file_scale / begin.scale);
  if (parameter.name.ends_with(".A")) return own.a;
  if (parameter.name.ends_with(".B")) return b;
  return own.m.defined() ? own.m : norms_of(begin, own.a, b, parameter.value.detach());
}

void check_kind(const AdapterSpec& wanted, const AdapterFile& file) {
  const std::string where = file.path.string();
  if (wanted.is_vera() || file.spec.is_vera()) {
    fail("--init_adapter ", where, ": a ", wanted.kind, " cannot begin as a ", file.spec.kind);
  }
  if (file.spec.has_magnitude() && !wanted.has_magnitude()) {
    fail("--init_adapter ", where,
         ": it is a DoRA, and a LoRA has no place for its magnitudes: ", "train a DoRA");
  }
  if (file.spec.has_magnitude() && file.spec.norm_axis != wanted.norm_axis) {
    fail("--init_adapter ", where, ": its magnitudes are per ", file.spec.norm_axis,
         " feature, the run's per ", wanted.norm_axis, " feature: give --dora_norm_axis ",
         file.spec.norm_axis);
  }
}

const FrozenWeight& weight_of(const LinearLayers& layers, const std::string& module) {
  for (const auto& [name, layer] : layers) {
    if (name == module) return *layer->weight();
  }
  fail("no layer ", module);
}

}  // namespace

void begin_as(AdapterSet& set, const LinearLayers& layers, const std::filesystem::path& path,
              const AdapterCore& core, const Log& log) {
  const at::NoGradGuard no_grad;
  const AdapterFile file = read_adapter_file(path, layers, [&](const std::string& module) {
    const FrozenWeight& weight = weight_of(layers, module);
    return weight.rows(0, weight.out_features()).to(at::kCPU);
  });
  check_kind(set.spec(), file);
  for (const auto& [module, tensors] : file.modules) {
    if (set.find(module) != nullptr) continue;
    fail("--init_adapter ", file.path.string(), ": it adapts ", module,
         ", which is none of this run's modules: choose them by --target_modules");
  }
  for (AdapterParameter& parameter : set.parameters()) {
    const auto found = file.modules.find(parameter.module);
    if (found == file.modules.end()) {
      fail("--init_adapter ", file.path.string(), ": it has nothing for ", parameter.module,
           ", which this run trains: choose modules by --target_modules");
    }
    const AdapterTensors& own = found->second;
    const Beginning begin{file, core, set.spec().norm_axis == "input",
                          weight_of(layers, parameter.module),
                          set.spec().scale_of(parameter.module)};
    const at::Tensor value = value_of(parameter, own, begin);
    if (value.sizes() != parameter.value.sizes()) {
      fail("--init_adapter ", file.path.string(), ": ", parameter.name, " is ",
           shape_text(value.sizes().vec()), " there and ",
           shape_text(parameter.value.sizes().vec()), " here: give --rank ", own.a.size(0));
    }
    parameter.value.copy_(value);
  }
  set.on_parameters_changed();
  log.info(concat("begins as ", file.path.string(), " (", file.format, ", ", file.spec.kind, ")"));
}

}  // namespace dorabooth
