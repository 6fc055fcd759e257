#include "tests/fuzz/targets.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/bundled_embedding.h"
#include "src/adapter/lora_config.h"
#include "src/adapter/magnitude_axis.h"
#include "src/adapter/module_parts.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/scheduler/scheduler_config.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/index.h"
#include "src/tokenizers/tokenizer.h"

namespace dorabooth::testing {

namespace fs = std::filesystem;

namespace {

// Runs `action`, whose errors are sentences: something in one line.
template <typename Action>
void expect_sentence(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    if (std::strlen(error.what()) == 0) std::abort();
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
}

// A folder of this process in memory.
const fs::path& scratch() {
  static const fs::path folder = [] {
    const fs::path shared = "/dev/shm";
    const fs::path path = (fs::exists(shared) ? shared : fs::temp_directory_path()) /
                          ("dorabooth-fuzz-" + std::to_string(getpid()));
    fs::create_directories(path);
    std::atexit([] { fs::remove_all(scratch()); });
    return path;
  }();
  return folder;
}

fs::path written(const char* name, std::string_view bytes) {
  const fs::path path = scratch() / name;
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

// The first byte says how many bytes of data follow the header.
void safetensors_header(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto data = static_cast<uint64_t>(static_cast<unsigned char>(bytes[0])) * 16;
  expect_sentence([&] {
    SafetensorsHeader header = parse_header(bytes.substr(1), data, "x.safetensors");
    for (const TensorEntry& entry : header.entries) {
      if (entry.bytes() != packed_bytes(entry, "x.safetensors")) std::abort();
      if (entry.end > data) std::abort();
    }
    // What was accepted can be written and read again.
    const std::string again = format_header(header.entries, header.metadata, "x.safetensors");
    const SafetensorsHeader second = parse_header(again, data, "x.safetensors");
    if (second.entries.size() != header.entries.size()) std::abort();
    if (second.metadata != header.metadata) std::abort();
  });
}

// A whole file: length, header, data.
void safetensors_file(std::string_view bytes) {
  expect_sentence([&] {
    const SafetensorsFile file(written("file.safetensors", bytes));
    for (const TensorEntry& entry : file.entries()) {
      if (entry.bytes() == 0) continue;
      const std::byte* data = file.data(entry);
      volatile std::byte last = data[entry.bytes() - 1];
      (void)last;
    }
  });
}

void shard_index(std::string_view bytes) {
  written("a.safetensors", "");
  expect_sentence([&] {
    const ShardIndex index = read_shard_index(written("x.safetensors.index.json", bytes));
    open_shards(index);
  });
}

void configs(std::string_view bytes) {
  const std::string text(bytes);
  expect_sentence([&] { parse_scheduler_config_text(text, "scheduler_config.json"); });
  expect_sentence([&] {
    const LoraConfig config = parse_adapter_config(text, "adapter_config.json");
    config.rank_of("a.to_q");
    config.alpha_of("a.to_q");
  });
  expect_sentence([&] { parse_adapter_metadata(text, "lora_adapter_metadata"); });
  expect_sentence([&] { find_spec({{kSpecKey, text}}); });
}

// Up to a line of "=": merges.txt; then a prompt.
void merges(std::string_view bytes) {
  static const fs::path folder = [] {
    const fs::path path = scratch() / "tokenizer";
    fs::create_directories(path);
    std::string vocabulary = "{";
    int id = 0;
    for (const char* token : {"a", "b", "c", "a</w>", "b</w>", "c</w>", "ab", "ab</w>", "bc</w>",
                              "abc</w>", "!", "!</w>", "<|startoftext|>", "<|endoftext|>"}) {
      vocabulary += (id ? ", \"" : "\"") + std::string(token) + "\": " + std::to_string(id);
      ++id;
    }
    std::ofstream(path / "vocab.json") << vocabulary << "}";
    std::ofstream(path / "tokenizer_config.json")
        << R"({"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", )"
           R"("eos_token": "<|endoftext|>", "pad_token": "!", "model_max_length": 77})";
    return path;
  }();
  const size_t cut = bytes.find("\n=\n");
  written("tokenizer/merges.txt", bytes.substr(0, cut));
  expect_sentence([&] {
    const auto tokenizer = open_tokenizer(folder);
    if (cut == std::string_view::npos) return;
    const TokenizedPrompt prompt = tokenizer->tokenize(std::string(bytes.substr(cut + 3)));
    if (static_cast<int64_t>(prompt.ids.size()) != tokenizer->max_length()) std::abort();
    tokenizer->decode(prompt.ids);
  });
}

// What a magnitude's shape says of its axis: of a layer that is oblong and of one that is square.
void add_axis(const std::string& key, AdapterRole role, AxisDecision& axis) {
  const auto extent = static_cast<int64_t>(key.size() % 7);
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{extent}, {extent, 1}, {1, extent, 1, 1}}) {
    for (const int64_t in : {extent, int64_t{3}}) {
      expect_sentence([&] { axis.add(key, role, axis_evidence(key, role, shape, extent, in)); });
    }
  }
}

// Keys, one a line; the last may be a header's ss_network_args.
void adapter_keys(std::string_view bytes) {
  static const AdapterKeys keys(
      {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
       "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
       "unet.mid_block.attentions.0.proj_in", "unet.a_b.c", "unet.a.b_c", "unet.conv_in",
       "unet.down_blocks.1.resnets.0.conv1", "unet.down_blocks.1.resnets.0.conv_shortcut",
       "unet.down_blocks.0.downsamplers.0.conv", "unet.up_blocks.0.upsamplers.0.conv",
       "unet.conv_norm_out", "text_encoder.text_model.final_layer_norm",
       "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
       "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"});
  AxisDecision axis;
  std::string key;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    key = bytes.substr(0, end);
    bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
    std::map<AdapterRole, TensorEntry> entries;
    ModuleParts parts;
    for (const char* component : {"", "unet", "text_encoder", "text_encoder_2"}) {
      expect_sentence([&] {
        const AdapterKey parsed = keys.parse(key, component);
        if (parsed.module.empty() || kohya_ending(parsed.role).empty()) std::abort();
        TensorEntry& entry = entries[parsed.role];
        entry.name = key;
        if (parsed.role == AdapterRole::kMagnitudeVector || parsed.role == AdapterRole::kDoraScale)
          add_axis(key, parsed.role, axis);
        parts.add(parsed.role, entry);  // from the second time on it is taken
        if (parts.is_pair() && parts.algebra() != Algebra::kNone &&
            parts.algebra() != Algebra::kLora) {
          std::abort();
        }
      });
    }
    const auto bundled = parse_bundled_key(key);
    if (bundled && !key.starts_with("bundle_emb.")) std::abort();
    if (bundled && bundled->placeholder.size() + bundled->tensor.size() > key.size()) std::abort();
  }
  expect_sentence([&] { axis.is_input({{"ss_network_args", key}}); });
}

// Pixels only of small ones.
void pictures(std::string_view bytes) {
  constexpr int64_t kMostPixels = 1 << 20;
  expect_sentence([&] {
    const PictureSize size = probe_size(bytes, "x.png");
    if (int64_t{size.width} * size.height > kMostPixels) return;
    const DecodedPicture picture = decode_picture(bytes, "x.png");
    if (picture.image.width != size.width || picture.image.height != size.height) std::abort();
  });
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> targets = {{"safetensors_header", safetensors_header},
                                                  {"safetensors_file", safetensors_file},
                                                  {"shard_index", shard_index},
                                                  {"configs", configs},
                                                  {"merges", merges},
                                                  {"adapter_keys", adapter_keys},
                                                  {"pictures", pictures}};
  return targets;
}

}  // namespace dorabooth::testing
