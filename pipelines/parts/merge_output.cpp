// Plans every output file before the first byte is written, so that the disk can be asked for all
// of them.
#include "pipelines/parts/merge_output.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/model/assets.h"
#include "src/ops/tensor_bytes.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

bool is_text_encoder(Component component) {
  return component == Component::kTextEncoder || component == Component::kTextEncoder2;
}

fs::path weight_file(Component component) {
  return fs::path(component_name(component)) /
         (is_text_encoder(component) ? "model.safetensors" : "diffusion_pytorch_model.safetensors");
}

// The entry's shape for a diffusers tensor of this shape.
std::vector<int64_t> entry_shape(std::vector<int64_t> shape, const KeyChange& change) {
  switch (change.kind) {
    case KeyChange::kNone:
      break;
    case KeyChange::kTranspose:
      std::swap(shape[0], shape[1]);
      break;
    case KeyChange::kReshape:
      shape.insert(shape.end(), {1, 1});
      break;
    case KeyChange::kRows:
      shape[0] *= 3;
      break;
  }
  return shape;
}

void copy_over(const fs::path& from, const fs::path& to) {
  fs::create_directories(to.parent_path());
  fs::copy_file(from, to, fs::copy_options::overwrite_existing);
}

// What a scheduler_config.json holds: the class and the keys that were given.
nlohmann::json scheduler_json(const SchedulerConfig& config) {
  nlohmann::json json = {{"_class_name", config.class_name}};
  for (const std::string& key : config.given) {
    json[key] = scheduler_fields().get(&config, scheduler_fields().at(key));
  }
  return json;
}

}  // namespace

MergeOutput::MergeOutput(const Checkpoint& checkpoint, const std::string& layout,
                         const fs::path& target, std::optional<at::ScalarType> dtype)
    : checkpoint_(checkpoint), layout_(layout), target_(fs::absolute(target)), dtype_(dtype) {
  temporary_ = target_;
  temporary_ += ".tmp" + std::to_string(::getpid());
  if (layout_ == "diffusers") {
    for (const Component component : kComponents) {
      if (checkpoint_.has(component)) plan_component(component, weight_file(component));
    }
  } else if (layout_ == "unet") {
    plan_component(Component::kUNet, target_.filename());
  } else {
    plan_single_file();
  }
}

MergeOutput::~MergeOutput() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

DType MergeOutput::dtype_of(const StoredTensor& stored) const {
  const bool is_float = stored.entry->dtype == DType::kF16 || stored.entry->dtype == DType::kBF16 ||
                        stored.entry->dtype == DType::kF32 || stored.entry->dtype == DType::kF64;
  return dtype_ && is_float ? file_dtype(*dtype_) : stored.entry->dtype;
}

void MergeOutput::plan_component(Component component, const fs::path& path) {
  File file;
  file.path = temporary_ / path;
  file.metadata = {{"format", "pt"}};
  for (const StoredTensor& stored : checkpoint_.stored(component)) {
    TensorEntry entry;
    entry.name = stored.name;
    entry.dtype = dtype_of(stored);
    entry.shape = stored.shape;
    file.entries.push_back(std::move(entry));
    file.pieces.push_back({component, stored.name, {}, stored.name});
  }
  files_.push_back(std::move(file));
}

void MergeOutput::plan_single_file() {
  File file;
  file.path = temporary_ / target_.filename();
  file.metadata = {
      {"format", "pt"},
      {"modelspec.sai_model_spec", "1.0.0"},
      {"modelspec.architecture", "stable-diffusion-xl-v1-base"},
      {"modelspec.implementation", "https://github.com/Stability-AI/generative-models"},
      {"modelspec.title", target_.stem().string()},
      {Checkpoint::kConfigMetadata, checkpoint_.config_metadata()}};
  std::map<std::string, TensorEntry> entries;
  const KeyLayout layout = checkpoint_.key_layout();
  for (const Component component : kComponents) {
    if (!checkpoint_.has(component)) continue;
    for (const StoredTensor& stored : checkpoint_.stored(component)) {
      const auto key = to_single_file(component, stored.name, layout);
      if (!key)
        fail(component_name(component), ": ", stored.name, " has no place in a single file");
      TensorEntry& entry = entries[key->name];
      entry.name = key->name;
      entry.dtype = dtype_of(stored);
      entry.shape = entry_shape(stored.shape, key->change);
      file.pieces.push_back({component, stored.name, key->change, key->name});
    }
  }
  for (auto& [name, entry] : entries) file.entries.push_back(std::move(entry));
  files_.push_back(std::move(file));
}

int64_t MergeOutput::tensor_count() const {
  size_t count = 0;
  for (const File& file : files_) count += file.pieces.size();
  return static_cast<int64_t>(count);
}

uint64_t MergeOutput::bytes() const {
  uint64_t bytes = 0;
  for (const File& file : files_)
    bytes += SafetensorsWriter::file_size(file.entries, file.metadata);
  return bytes;
}

void MergeOutput::write(const Source& source, std::stop_token stop) {
  require_disk_space(target_.parent_path(), bytes(), "the merged model");
  fs::create_directories(temporary_);
  for (const File& file : files_) {
    std::map<std::string, DType> dtypes;
    for (const TensorEntry& entry : file.entries) dtypes[entry.name] = entry.dtype;
    fs::create_directories(file.path.parent_path());
    SafetensorsWriter writer(file.path, file.entries, file.metadata);
    for (const Piece& piece : file.pieces) {
      if (stop.stop_requested()) return;
      at::Tensor tensor = source(piece.component, piece.name, scalar_type(dtypes.at(piece.entry)));
      if (piece.change.kind == KeyChange::kTranspose) tensor = tensor.t();
      tensor = tensor.contiguous();
      const uint64_t offset = piece.change.kind == KeyChange::kRows
                                  ? tensor.nbytes() * static_cast<uint64_t>(piece.change.part)
                                  : 0;
      writer.write(piece.entry, offset,
                   {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
    }
    writer.finish();
  }
  if (layout_ == "diffusers") copy_side_files();
}

// Configs, tokenizers and scheduler, as the base has them or, for a single file, as its configs
// say.
void MergeOutput::copy_side_files() const {
  write_file_atomically(temporary_ / "model_index.json", checkpoint_.model_index().dump(2) + "\n");
  for (const Component component : kComponents) {
    if (!checkpoint_.has(component)) continue;
    write_file_atomically(temporary_ / component_name(component) / "config.json",
                          checkpoint_.config(component).dump(2) + "\n");
  }
  for (const int encoder : {1, 2}) {
    const fs::path name = encoder == 1 ? "tokenizer" : "tokenizer_2";
    fs::path folder = checkpoint_.tokenizer_folder(encoder);
    if (folder.empty()) {
      // CLIP's vocabulary; the settings that differ between the two lie beside the configs.
      for (const char* file : {"vocab.json", "merges.txt"}) {
        copy_over(asset_path("clip_tokenizer") / file, temporary_ / name / file);
      }
      folder = asset_path("sdxl_base_config") / name;
    }
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_regular_file())
        copy_over(entry.path(), temporary_ / name / entry.path().filename());
    }
  }
  const fs::path scheduler = checkpoint_.path() / "scheduler" / "scheduler_config.json";
  const fs::path written = temporary_ / "scheduler" / "scheduler_config.json";
  if (fs::exists(scheduler)) return copy_over(scheduler, written);
  write_file_atomically(written, scheduler_json(checkpoint_.scheduler_config()).dump(2) + "\n");
}

fs::path MergeOutput::receipt_path() const {
  if (layout_ == "diffusers") return target_ / kReceiptName;
  fs::path path = target_;
  path += "." + std::string(kReceiptName);
  return path;
}

void MergeOutput::publish(const std::string& receipt) {
  if (layout_ == "diffusers") {
    write_file_atomically(temporary_ / kReceiptName, receipt);
    dorabooth::publish(temporary_, target_);
    return;
  }
  write_file_atomically(receipt_path(), receipt);
  dorabooth::publish(temporary_ / target_.filename(), target_);
}

}  // namespace dorabooth
