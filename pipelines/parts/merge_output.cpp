// Plans every output file before the first byte is written, so that the disk can be asked for all
// of them.
#include "pipelines/parts/merge_output.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "pipelines/parts/tensor_copy.h"
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

// Of a piece's bytes.
constexpr size_t kBufferBytes = 256 << 10;

}  // namespace

MergeOutput::MergeOutput(const Checkpoint& checkpoint, const std::string& layout,
                         const fs::path& target, std::optional<at::ScalarType> dtype, bool merges)
    : checkpoint_(checkpoint),
      side_(side_tensors(checkpoint)),
      layout_(layout),
      target_(fs::absolute(target)),
      dtype_(dtype),
      merges_(merges) {
  temporary_ = target_;
  temporary_ += ".tmp" + std::to_string(::getpid());
  if (layout_ == "diffusers") {
    for (const Component component : kComponents) {
      if (checkpoint_.has(component)) plan_component(component, weight_file(component));
    }
    if (side_.found) plan_side_file();
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
    file.pieces.push_back({&stored, component, {}, stored.name});
  }
  files_.push_back(std::move(file));
}

void MergeOutput::add_side_tensors(File& file) const {
  for (const StoredTensor& stored : side_.tensors) {
    file.entries.push_back(*stored.entry);
    file.pieces.push_back({&stored, std::nullopt, {}, stored.name});
  }
}

void MergeOutput::plan_side_file() {
  File file;
  file.path = temporary_ / kSideTensorsName;
  file.metadata = side_.metadata;
  add_side_tensors(file);
  files_.push_back(std::move(file));
}

// A base that only changes its layout keeps what its single file said of itself; a merged one is
// another model by the same author.
std::map<std::string, std::string> MergeOutput::single_file_metadata() const {
  std::map<std::string, std::string> metadata = side_.metadata;
  const std::map<std::string, std::string> own = {
      {"format", "pt"},
      {"modelspec.sai_model_spec", "1.0.0"},
      {"modelspec.architecture", "stable-diffusion-xl-v1-base"},
      {"modelspec.implementation", "https://github.com/Stability-AI/generative-models"},
      {"modelspec.title", target_.stem().string()}};
  for (const auto& [key, value] : own) {
    if (merges_) {
      metadata[key] = value;
    } else {
      metadata.emplace(key, value);
    }
  }
  if (merges_ || dtype_) metadata.erase("modelspec.hash_sha256");
  metadata[Checkpoint::kConfigMetadata] = checkpoint_.config_metadata();
  return metadata;
}

void MergeOutput::plan_single_file() {
  File file;
  file.path = temporary_ / target_.filename();
  file.metadata = single_file_metadata();
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
      file.pieces.push_back({&stored, component, key->change, key->name});
    }
  }
  for (auto& [name, entry] : entries) file.entries.push_back(std::move(entry));
  // In the order of the file, which is the cheapest to write.
  std::ranges::stable_sort(file.pieces, {}, [](const Piece& piece) {
    return std::pair(piece.entry, piece.change.kind == KeyChange::kRows ? piece.change.part : 0);
  });
  add_side_tensors(file);
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
  // All files of a large model, the small ones too: they are read together or not at all.
  const uint64_t least_direct =
      bytes() < SafetensorsWriter::kLeastDirect ? SafetensorsWriter::kLeastDirect : 0;
  for (const File& file : files_) {
    std::map<std::string, DType> dtypes;
    for (const TensorEntry& entry : file.entries) dtypes[entry.name] = entry.dtype;
    fs::create_directories(file.path.parent_path());
    SafetensorsWriter writer(file.path, file.entries, file.metadata, least_direct);
    for (const Piece& piece : file.pieces) {
      if (stop.stop_requested()) return;
      write_piece(piece, dtypes.at(piece.entry), source, writer);
    }
    writer.finish();
  }
  if (layout_ == "diffusers") copy_side_files();
}

void MergeOutput::write_piece(const Piece& piece, DType dtype, const Source& source,
                              SafetensorsWriter& writer) {
  const StoredTensor& stored = *piece.stored;
  const bool rows = piece.change.kind == KeyChange::kRows;
  const bool transposed = piece.change.kind == KeyChange::kTranspose;
  at::Tensor merged;
  if (piece.component) {
    const uint64_t offset = writer.memory_offset(piece.entry, 0);
    merged = source(*piece.component, stored.name, scalar_type(dtype), offset);
  }
  if (merged.defined()) {
    merged = (transposed ? merged.t() : merged).contiguous();
    const uint64_t first = rows ? merged.nbytes() * static_cast<uint64_t>(piece.change.part) : 0;
    return writer.write(piece.entry, first,
                        {static_cast<const std::byte*>(merged.const_data_ptr()), merged.nbytes()});
  }
  const uint64_t bytes = stored.bytes() * static_cast<uint64_t>(dtype_bits(dtype)) /
                         static_cast<uint64_t>(dtype_bits(stored.entry->dtype));
  const uint64_t first = rows ? bytes * static_cast<uint64_t>(piece.change.part) : 0;
  const bool turns = transposed != (stored.change.kind == KeyChange::kTranspose);
  if (!turns && dtype == stored.entry->dtype) {
    return writer.copy(piece.entry, first, *stored.file, *stored.entry, stored.first_byte(), bytes);
  }
  buffer_.resize(kBufferBytes);
  copy_stored_tensor(stored, turns, dtype, buffer_,
                     [&](uint64_t offset, std::span<const std::byte> part) {
                       writer.write(piece.entry, first + offset, part);
                     });
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
  write_file_atomically(written, scheduler_json_text(checkpoint_.scheduler_json()));
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
