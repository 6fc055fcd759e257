// W' by blocks of rows, compared with the adapted layer on a fixed random input.
#include "pipelines/parts/merge_source.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/merged_difference.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/random_stream.h"
#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/mapped_pieces.h"

namespace dorabooth {

namespace {

constexpr int64_t kRowsPerBlock = 64;  // which stay in the second-level cache
constexpr uint64_t kMemoryStep = SafetensorsWriter::kMemoryStep;

constexpr std::string_view kWeight = ".weight";

// What a report calls the change of a parameter.
std::string noted_name(const std::string& parameter) {
  return parameter.ends_with(kWeight) ? parameter.substr(0, parameter.size() - kWeight.size())
                                      : parameter;
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

bool in_core(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

// Where the allocator's address ends otherwise, a little further on.
at::Tensor empty_at(const StoredForm& form, at::IntArrayRef sizes) {
  const auto bytes = static_cast<uint64_t>(c10::elementSize(form.dtype));
  const auto count = c10::multiply_integers(sizes);
  const auto room = static_cast<int64_t>(kMemoryStep / bytes);
  const at::Tensor memory = at::empty({count + room}, at::TensorOptions().dtype(form.dtype));
  const auto address = reinterpret_cast<uintptr_t>(memory.data_ptr());
  const uint64_t further = (form.memory_offset + kMemoryStep - address % kMemoryStep) % kMemoryStep;
  return memory.narrow(0, static_cast<int64_t>(further / bytes), count).view(sizes);
}

// A matrix of the base in its own dtype where the adapter core reads that, else in fp32: over the
// mapped file, whose pages are let go of at the end.
class BaseMatrix {
 public:
  BaseMatrix(const Weights& weights, const std::string& name) : stored_(weights.at(name)) {
    const at::ScalarType own = scalar_type(stored_.entry->dtype);
    const at::ScalarType type = in_core(own) ? own : at::kFloat;
    is_mapped_ = type == own && stored_.change.kind != KeyChange::kTranspose &&
                 map_pages(*stored_.file, *stored_.entry);
    value_ = is_mapped_ ? weights.tensor(name) : weights.copy(name, type, at::kCPU);
  }
  ~BaseMatrix() {
    if (is_mapped_) unmap_pages(*stored_.file, *stored_.entry);
  }
  BaseMatrix(const BaseMatrix&) = delete;
  BaseMatrix& operator=(const BaseMatrix&) = delete;
  const at::Tensor& value() const { return value_; }

 private:
  const StoredTensor& stored_;
  bool is_mapped_ = false;
  at::Tensor value_;
};

}  // namespace

MergeSource::MergeSource(const Checkpoint& checkpoint,
                         const std::vector<std::string>& adapter_paths, StrengthRule rule,
                         const ReadingOptions& options, const Log& log)
    : checkpoint_(checkpoint), rule_(rule) {
  const LinearLayers layers = checkpoint_layers(checkpoint, shapes_);
  const ParameterShapes parameters = checkpoint_shapes(checkpoint);
  for (const std::string& text : adapter_paths) {
    const AdapterArgument argument = parse_adapter_argument(text);
    AdapterContents contents =
        read_adapter_contents(argument.path, layers, parameters, options, weights_of(checkpoint));
    warn_of_ignored_keys(contents, log);
    if (!contents.embeddings.empty()) {
      log.warning(concat(contents.file.path.string(), ": ", contents.embeddings.begin()->first,
                         " is an embedding, which a merged model has no place for: give the file "
                         "to --embedding when you sample"));
    }
    const std::string sha256 = sha256_of_file(contents.file.path);
    given_.push_back({argument, std::move(contents), sha256});
  }
}

std::vector<std::string> MergeSource::modules() const {
  std::set<std::string> names;
  for (const Given& given : given_) {
    for (const auto& [module, tensors] : given.contents.file.modules) names.insert(module);
    for (const WeightPatch& patch : given.contents.patches) {
      names.insert(noted_name(patch.parameter));
    }
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> MergeSource::ignored_keys() const {
  std::vector<std::string> keys;
  for (const Given& given : given_) {
    const auto& own = given.contents.ignored_keys;
    keys.insert(keys.end(), own.begin(), own.end());
  }
  return keys;
}

const at::Tensor& MergeSource::probe_input(int64_t in_features) const {
  at::Tensor& x = probes_[in_features];
  if (!x.defined()) {
    x = at::empty({kProbeRows, in_features});
    RandomStream(0, "merge")
        .normal(0, 0, std::span<float>(x.data_ptr<float>(), static_cast<size_t>(x.numel())));
  }
  return x;
}

nlohmann::json MergeSource::receipt() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Given& given : given_) {
    list.push_back({{"path", given.contents.file.path.string()},
                    {"sha256", given.sha256},
                    {"kind", given.contents.kinds()},
                    {"strength", given.argument.strength}});
    if (!given.contents.ignored_keys.empty()) {
      list.back()["ignored_keys"] = given.contents.ignored_keys;
    }
  }
  return list;
}

at::Tensor MergeSource::tensor(Component component, const std::string& name, const StoredForm& form,
                               std::vector<MergedLayer>& layers) const {
  const Weights& weights = checkpoint_.weights(component);
  const std::string parameter = concat(component_name(component), ".", name);
  const std::string module = noted_name(parameter);
  const bool adapted = parameter != module && std::ranges::any_of(given_, [&](const Given& given) {
                         return given.contents.file.modules.contains(module);
                       });
  const bool is_patched = std::ranges::any_of(
      given_, [&](const Given& given) { return given.contents.find_patch(parameter); });
  if (!adapted && !is_patched) return {};
  layers.push_back({});
  layers.back().module = module;
  if (!is_patched) {
    const BaseMatrix base(weights, name);
    return merged(module, base.value(), base.value(), form, layers.back());
  }
  const at::Tensor base = weights.copy(name, at::kFloat, at::kCPU);
  const at::Tensor weight = with_patches(parameter, base);
  return adapted ? merged(module, base, weight, form, layers.back())
                 : stored_patched(base, weight, form.dtype, layers.back());
}

// Differences from the base add up, as in PatchScope; one patch stays unrounded.
at::Tensor MergeSource::with_patches(const std::string& parameter, const at::Tensor& weight) const {
  at::Tensor result = weight;
  for (const Given& given : given_) {
    for (const WeightPatch& patch : given.contents.patches) {
      if (patch.parameter != parameter) continue;
      const at::Tensor one = patched(patch, weight, given.argument.strength, rule_);
      result = result.is_same(weight) ? one : result + (one - weight);
    }
  }
  return result;
}

at::Tensor MergeSource::stored_patched(const at::Tensor& base, const at::Tensor& patched,
                                       at::ScalarType dtype, MergedLayer& note) const {
  const at::Tensor stored = patched.to(dtype);
  const at::Tensor again = stored.to(at::kFloat);
  const double scale = largest(patched);
  note.largest_change = largest(patched - base);
  note.rounding = scale > 0 ? largest(again - patched) / scale : 0.0;
  const at::Tensor rows = patched.reshape({patched.size(0), -1});
  const at::Tensor& x = probe_input(rows.size(1));
  const at::Tensor want = x.matmul(rows.t());
  const at::Tensor product = x.matmul(again.reshape(rows.sizes()).t());
  note.forward_error = largest(product - want) / std::max(largest(want), 1e-30);
  return stored;
}

at::Tensor MergeSource::merged(const std::string& module, const at::Tensor& base_weight,
                               const at::Tensor& weight, const StoredForm& form,
                               MergedLayer& note) const {
  at::NoGradGuard no_grad;
  nn::Linear layer(weight.size(1), weight.size(0), false, at::TensorOptions().device(at::kMeta));
  layer.assign("weight", weight);
  std::vector<AdapterSet> sets;
  for (const Given& given : given_) {
    const auto found = given.contents.file.modules.find(module);
    if (found == given.contents.file.modules.end()) continue;
    sets.push_back(AdapterSet::from_tensors(given.contents.file.spec, {{module, &layer}}, {*found},
                                            adapter_core(at::kCPU)));
    sets.back().set_strength(given.argument.strength, rule_);
  }
  at::Tensor result = empty_at(form, weight.sizes());
  const at::Tensor& x = probe_input(weight.size(1));
  at::Tensor product = at::empty({kProbeRows, weight.size(0)});
  at::Tensor base_product = at::empty({kProbeRows, weight.size(0)});
  at::Tensor base_norm2 = at::empty({weight.size(0)});
  MergedDifference difference;
  MergedBlock part;
  part.base_type = element_type(base_weight.scalar_type());
  part.is_stored = !in_core(form.dtype);
  part.stored_type = part.is_stored ? ElementType::kFloat32 : element_type(form.dtype);
  part.columns = weight.size(1);
  part.probes = x.const_data_ptr<float>();
  part.product_stride = weight.size(0);
  for (int64_t first = 0; first < weight.size(0); first += kRowsPerBlock) {
    const int64_t last = std::min(first + kRowsPerBlock, weight.size(0));
    // Differences from the base add up, as the slots of a layer do; one adapter stays unrounded.
    at::Tensor block = sets[0].find(module)->merged_rows(*layer.weight(), first, last);
    for (size_t i = 1; i < sets.size(); ++i) {
      block = block + (sets[i].find(module)->merged_rows(*layer.weight(), first, last) -
                       weight.slice(0, first, last));
    }
    at::Tensor stored = result.slice(0, first, last);
    if (part.is_stored) stored = stored.copy_(block).to(at::kFloat);
    part.rows = last - first;
    part.base = base_weight.slice(0, first, last).const_data_ptr();
    part.merged = block.const_data_ptr<float>();
    part.stored = stored.data_ptr();
    part.base_products = base_product.data_ptr<float>() + first;
    part.stored_products = product.data_ptr<float>() + first;
    part.base_norm2 = base_norm2.data_ptr<float>() + first;
    difference.add(part);
  }
  if (weight.is_same(base_weight)) layer.weight()->take_row_norm2(base_norm2);
  std::vector<AttachScope> scopes;
  for (AdapterSet& set : sets) scopes.push_back(set.attach());
  const at::Tensor adapted =
      weight.is_same(base_weight) ? layer.forward(x, base_product) : layer.forward(x);
  note.largest_change = difference.change;
  note.rounding =
      difference.largest > 0 ? double{difference.rounding} / double{difference.largest} : 0.0;
  note.forward_error = largest(product - adapted) / std::max(largest(adapted), 1e-30);
  return result;
}

}  // namespace dorabooth
