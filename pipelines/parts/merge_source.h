// A base's tensors under the adapters of a merge: each read when it is asked for, adapted ones
// merged row block by row block in fp32. Internal to pipelines/merge.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/adapter_argument.h"
#include "pipelines/merge.h"
#include "src/adapter/adapter_contents.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

// How a merged tensor is wanted.
struct StoredForm {
  at::ScalarType dtype = at::kFloat;
  uint64_t memory_offset = 0;  // of its address, as SafetensorsWriter has it
};

class MergeSource {
 public:
  // Reads the adapters whole (they are small) and of the base only what shapes tell. `log` is told
  // of what is left out of them.
  MergeSource(const Checkpoint& checkpoint, const std::vector<std::string>& adapter_paths,
              StrengthRule rule, const ReadingOptions& options, const Log& log);

  // The tensor in `dtype` merged, and its layer noted in `layers`, if an adapter holds its module;
  // else nothing.
  at::Tensor tensor(Component component, const std::string& name, const StoredForm& form,
                    std::vector<MergedLayer>& layers) const;

  // What the adapters change: modules by full name, of biases "<module>.bias".
  std::vector<std::string> modules() const;
  std::vector<std::string> ignored_keys() const;
  // path, strength and SHA-256 of every adapter file, for the receipt (a JSON list).
  nlohmann::json receipt() const;

 private:
  struct Given {
    AdapterArgument argument;
    AdapterContents contents;
    std::string sha256;
  };
  // With all patches of a parameter over its numbers; `weight` itself where there are none.
  at::Tensor with_patches(const std::string& parameter, const at::Tensor& weight) const;
  at::Tensor stored_patched(const at::Tensor& base, const at::Tensor& patched, at::ScalarType dtype,
                            MergedLayer& note) const;
  // `weight` is the patched one, `base` the base's.
  at::Tensor merged(const std::string& module, const at::Tensor& base, const at::Tensor& weight,
                    const StoredForm& form, MergedLayer& note) const;

  // The fixed random rows that merged and un-merged layers are compared on.
  const at::Tensor& probe_input(int64_t in_features) const;

  const Checkpoint& checkpoint_;
  StrengthRule rule_;
  std::vector<std::unique_ptr<nn::Linear>> shapes_;  // on the meta device
  std::vector<Given> given_;
  mutable std::map<int64_t, at::Tensor> probes_;  // by columns
};

}  // namespace dorabooth
