// Everything that an adapter file holds for a base: LoRA and DoRA of its linear layers, patches of
// other parameters or by other algebras, bundled embeddings, and what was left out.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "src/adapter/adapter_file.h"
#include "src/adapter/reading_options.h"
#include "src/adapter/stored_adapter.h"
#include "src/adapter/weight_patch.h"

namespace dorabooth {

struct AdapterContents {
  // LoRA and DoRA of linear layers, as read_adapter_file() gives them; its modules may be none.
  AdapterFile file;
  std::vector<WeightPatch> patches;              // by parameter
  std::map<std::string, at::Tensor> embeddings;  // bundled with it, by key
  std::vector<std::string> ignored_keys;         // with ReadingOptions::ignore_unknown

  // "lora", "dora", "LoHa, LoCon": the kinds that it holds.
  std::string kinds() const;
  // Modules of both, each once.
  std::vector<std::string> modules() const;
  const WeightPatch* find_patch(const std::string& parameter) const;
};

// `path` as read_adapter_file() takes it. `shapes` has the parameters that a file may change, the
// weights of `layers` among them. OFT, GLoRA, IA3 and kin are refused by name; so is, without
// `base`, a file whose magnitudes were written for ComfyUI's rule.
AdapterContents read_adapter_contents(const std::filesystem::path& path, const LinearLayers& layers,
                                      const ParameterShapes& shapes,
                                      const ReadingOptions& options = {},
                                      const BaseWeights& base = nullptr);

// The same file's tensors as they stand there, for consumer.h, whatever rule it was written for.
// Not for VeRA's folders.
StoredAdapter read_stored_adapter(const std::filesystem::path& path, const ParameterShapes& shapes,
                                  const ReadingOptions& options = {});

// The file that holds the tensors of `path`; throws where there is none, or a pickle.
std::filesystem::path adapter_tensor_file(const std::filesystem::path& path);
// Whether the file of an adapter brings embeddings with it.
bool bundles_embeddings(const std::filesystem::path& path);

// Kohya's names; patches as they are, for readers that know their algebras: LyCORIS, ComfyUI, A1111
// and kin; embeddings too. `norms` (see write_comfyui_adapter) by module, with those of the patches
// too, or nullptr.
void write_kohya_contents(const std::filesystem::path& path, const AdapterContents& contents,
                          const std::map<std::string, RowNorms>* norms,
                          const std::map<std::string, std::string>& extra_metadata,
                          BlockNames names = BlockNames::kSgm);

}  // namespace dorabooth
