// What a wrong file is, is told by its keys.
#include "src/model/embedding_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/adapter/bundled_embedding.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kHeaderKey = "dorabooth";
constexpr const char* kPlaceholders = "placeholder_tokens";
constexpr const char* kWords = "token_abstraction";
const std::string kNames[] = {"clip_l", "clip_g"};

// Why a file without clip_l and clip_g is none of SDXL's.
std::string what_it_is(const SafetensorsFile& file) {
  const auto any = [&](auto&& matches) {
    return std::any_of(file.entries().begin(), file.entries().end(),
                       [&](const TensorEntry& entry) { return matches(entry.name); });
  };
  if (file.find("emb_params")) {
    return "it is an embedding of Stable Diffusion 1 or 2 (emb_params), which has one text encoder";
  }
  if (file.find("clip_l_out") || file.find("clip_g_out")) {
    return "it holds OneTrainer's output embeddings (clip_l_out, clip_g_out) alone, which this "
           "program does not apply";
  }
  if (any([](const std::string& name) { return name.find("lora") != std::string::npos; })) {
    return "it is an adapter: --adapter_path or --column takes those";
  }
  return concat("it has ", file.entries().empty() ? "no tensors" : file.entries()[0].name);
}

at::Tensor rows_of(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  if (!entry) {
    fail(file.path().string(), ": an embedding of SDXL holds clip_l and clip_g, and there is no ",
         name, ": ", what_it_is(file));
  }
  at::Tensor rows = tensor_from_bytes(entry->dtype, entry->shape, file.data(*entry));
  if (rows.dim() == 1) rows = rows.unsqueeze(0);
  if (!rows.is_floating_point() || rows.dim() != 2 || rows.numel() == 0) {
    fail(file.path().string(), ": ", name, ": want numbers [count, width], got ",
         dtype_name(entry->dtype), " ", shape_text(entry->shape));
  }
  rows = rows.to(at::kFloat);
  if (!at::isfinite(rows).all().item<bool>()) {
    fail(file.path().string(), ": ", name, " holds values that are not finite");
  }
  return rows;
}

// The rows of one placeholder after another.
void read_bundle(const SafetensorsFile& file, EmbeddingFile& result, const Log& log) {
  std::vector<std::string> placeholders;
  for (const TensorEntry& entry : file.entries()) {
    const auto key = parse_bundled_key(entry.name);
    if (!key) continue;
    if (key->tensor == "clip_l_out" || key->tensor == "clip_g_out") {
      log.warning(concat(file.path().string(), ": ", entry.name,
                         ", an output embedding of OneTrainer's, is left out"));
    } else if (key->tensor != kNames[0] && key->tensor != kNames[1]) {
      fail(file.path().string(), ": ", entry.name, ": a bundled embedding of SDXL is ",
           "bundle_emb.<placeholder>.clip_l and .clip_g");
    } else if (std::ranges::find(placeholders, key->placeholder) == placeholders.end()) {
      placeholders.push_back(key->placeholder);
    }
  }
  std::vector<at::Tensor> clip_l, clip_g;
  for (const std::string& placeholder : placeholders) {
    const std::string stem = concat("bundle_emb.", placeholder, ".");
    clip_l.push_back(rows_of(file, stem + kNames[0]));
    clip_g.push_back(rows_of(file, stem + kNames[1]));
    const int64_t count = clip_l.back().size(0);
    if (clip_g.back().size(0) != count) {
      fail(file.path().string(), ": ", stem, "clip_l has ", count, " rows, clip_g ",
           clip_g.back().size(0));
    }
    result.placeholders.insert(result.placeholders.end(), static_cast<size_t>(count), placeholder);
  }
  result.rows = {at::cat(clip_l), at::cat(clip_g)};
}

// placeholders and words.
void read_names(const SafetensorsFile& file, EmbeddingFile& result) {
  const auto found = file.metadata().find(kHeaderKey);
  if (found == file.metadata().end()) return;
  const json entry = json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  const json names = entry.is_object() ? entry.value(kPlaceholders, json()) : json();
  const json words = entry.is_object() ? entry.value(kWords, json::object()) : json();
  const auto is_name = [](const json& name) { return name.is_string() && name != ""; };
  if (!names.is_array() || static_cast<int64_t>(names.size()) != result.rows.count() ||
      !std::all_of(names.begin(), names.end(), is_name) || !words.is_object() ||
      !std::all_of(words.begin(), words.end(), is_name)) {
    fail(file.path().string(), ": the header's entry '", kHeaderKey, "' wants ", kPlaceholders,
         " with a name for each of ", result.rows.count(), " rows and ", kWords,
         " with the placeholders of each word");
  }
  result.placeholders = names.get<std::vector<std::string>>();
  result.words = words.get<std::map<std::string, std::string>>();
}

// The rows whose placeholders in a row are `text`; a count of 0 if there are none.
NewToken rows_named(const std::vector<std::string>& placeholders, const std::string& text) {
  for (size_t first = 0; first < placeholders.size(); ++first) {
    std::string name;
    for (size_t last = first; last < placeholders.size() && name.size() < text.size(); ++last) {
      name += placeholders[last];
      if (name == text)
        return {text, static_cast<int64_t>(first), static_cast<int64_t>(last - first + 1)};
    }
  }
  return {text, 0, 0};
}

void require_safetensors(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".pt" || extension == ".bin" || extension == ".ckpt") {
    fail(path.string(), ": is a pickle, which can run code when it is read: only .safetensors are");
  }
  if (!fs::exists(path)) fail(path.string(), ": no such embedding file");
}

}  // namespace

EmbeddingFile read_embedding_file(const fs::path& path, const Log& log) {
  require_safetensors(path);
  const SafetensorsFile file(path);
  EmbeddingFile result;
  if (std::ranges::any_of(file.entries(), [](const TensorEntry& entry) {
        return parse_bundled_key(entry.name).has_value();
      })) {
    read_bundle(file, result, log);
    return result;
  }
  result.rows.clip_l = rows_of(file, kNames[0]);
  result.rows.clip_g = rows_of(file, kNames[1]);
  const int64_t count = result.rows.count();
  if (result.rows.clip_g.size(0) != count) {
    fail(path.string(), ": clip_l has ", count, " rows, clip_g ", result.rows.clip_g.size(0));
  }
  for (const TensorEntry& entry : file.entries()) {
    if (entry.name == kNames[0] || entry.name == kNames[1]) continue;
    if (entry.name != "clip_l_out" && entry.name != "clip_g_out") {
      fail(path.string(), ": ", entry.name, " has no place in an embedding of SDXL");
    }
    log.warning(concat(path.string(), ": ", entry.name,
                       ", an output embedding of OneTrainer's, is left out"));
  }
  read_names(file, result);
  return result;
}

std::vector<NewToken> EmbeddingFile::tokens() const {
  std::vector<NewToken> result;
  for (size_t row = 0; row < placeholders.size(); ++row) {
    if (!result.empty() && result.back().text == placeholders[row]) {
      ++result.back().count;
    } else {
      result.push_back({placeholders[row], static_cast<int64_t>(row), 1});
    }
  }
  for (const auto& [word, text] : words) {
    NewToken rows_of_word = rows_named(placeholders, text);
    if (rows_of_word.count == 0) continue;
    rows_of_word.text = word;
    result.push_back(rows_of_word);
  }
  return result;
}

void write_embedding_file(const fs::path& path, const EmbeddingFile& file,
                          std::map<std::string, std::string> metadata) {
  const at::Tensor tensors[] = {file.rows.clip_l.detach().to(at::kCPU, at::kFloat).contiguous(),
                                file.rows.clip_g.detach().to(at::kCPU, at::kFloat).contiguous()};
  metadata.emplace("format", "pt");
  metadata.emplace("modelspec.sai_model_spec", "1.0.0");
  metadata.emplace("modelspec.architecture", "stable-diffusion-xl-v1-base/textual-inversion");
  metadata[kHeaderKey] = json{{kPlaceholders, file.placeholders}, {kWords, file.words}}.dump();
  std::vector<TensorEntry> entries;
  for (size_t i = 0; i < 2; ++i) {
    if (!at::isfinite(tensors[i]).all().item<bool>()) {
      fail(path.string(), ": ", kNames[i], " holds values that are not finite");
    }
    TensorEntry& entry = entries.emplace_back();
    entry.name = kNames[i];
    entry.dtype = DType::kF32;
    entry.shape = tensors[i].sizes().vec();
  }
  SafetensorsWriter writer(path, entries, metadata);
  for (size_t i = 0; i < 2; ++i) {
    writer.write(kNames[i], 0,
                 {static_cast<const std::byte*>(tensors[i].const_data_ptr()), tensors[i].nbytes()});
  }
  writer.finish();
}

}  // namespace dorabooth
