// A base's tensors under the adapters of a merge: each read when it is asked for, adapted ones
// merged row block by row block in fp32. Internal to pipelines/merge.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/adapter_argument.h"
#include "pipelines/merge.h"
#include "src/adapter/adapter_file.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

class MergeSource {
 public:
  // Reads the adapters whole (they are small) and of the base only what shapes tell.
  MergeSource(const Checkpoint& checkpoint, const std::vector<std::string>& adapter_paths,
              StrengthRule rule);

  // The tensor in `dtype` merged, and its layer noted in `layers`, if an adapter holds its module;
  // else nothing.
  at::Tensor tensor(Component component, const std::string& name, at::ScalarType dtype,
                    std::vector<MergedLayer>& layers) const;

  // Modules that the adapters change, by full name.
  std::vector<std::string> modules() const;
  // path, strength and SHA-256 of every adapter file, for the receipt (a JSON list).
  nlohmann::json receipt() const;

 private:
  struct Given {
    AdapterArgument argument;
    AdapterFile file;
    std::string sha256;
  };
  at::Tensor merged(const std::string& module, const at::Tensor& weight, at::ScalarType dtype,
                    MergedLayer& note) const;

  const Checkpoint& checkpoint_;
  StrengthRule rule_;
  std::vector<std::unique_ptr<nn::Linear>> shapes_;  // on the meta device
  std::vector<Given> given_;
};

}  // namespace dorabooth
