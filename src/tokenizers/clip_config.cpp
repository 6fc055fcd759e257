// Precedence follows transformers' PreTrainedTokenizerBase._from_pretrained: with
// added_tokens_decoder its flags hold; without it special_tokens_map.json overrides the config.
#include "src/tokenizers/clip_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 20;

// An object from a file; an empty one if the file is absent.
json read_object(const fs::path& path) {
  if (!fs::exists(path)) return json::object();
  json object = json::parse(read_file(path), nullptr, false);
  if (!object.is_object()) fail(path.string(), ": not a JSON object");
  return object;
}

// A token in a JSON file: a plain string, which is a special token searched in the raw text, or an
// object with flags.
AddedToken parse_token(const json& value, const std::string& key, const fs::path& folder) {
  const std::string where = concat(folder.string(), ": ", key);
  if (value.is_string()) return {value.get<std::string>(), false, {}};
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string()) {
    fail(where, " must be a string or an object with 'content'");
  }
  for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
    if (value.value(flag, json(false)) != json(false)) {
      fail(where, ": '", flag, "' is not supported in a CLIP tokenizer");
    }
  }
  const json normalized = value.value("normalized", json(true));
  if (!normalized.is_boolean()) fail(where, ": 'normalized' must be true or false");
  return {value["content"].get<std::string>(), normalized.get<bool>(), {}};
}

// The flags of a content that is there already are replaced; its place and id stay.
void set_token(std::vector<AddedToken>& tokens, const AddedToken& token) {
  const auto same = [&](const AddedToken& known) { return known.content == token.content; };
  const auto found = std::find_if(tokens.begin(), tokens.end(), same);
  if (found == tokens.end()) {
    tokens.push_back(token);
  } else {
    found->normalized = token.normalized;
    if (token.id) found->id = token.id;
  }
}

bool contains(const std::vector<AddedToken>& tokens, const std::string& content) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](const AddedToken& token) { return token.content == content; });
}

int64_t parse_id(const json& value, const std::string& token, const fs::path& folder) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > (uint64_t{1} << 31)) {
    fail(folder.string(), ": the id of added token '", token, "' must be a whole number");
  }
  return value.get<int64_t>();
}

void read_decoder_tokens(const json& decoder, const fs::path& folder,
                         std::vector<AddedToken>& tokens) {
  if (!decoder.is_object()) fail(folder.string(), ": added_tokens_decoder must be an object");
  for (const auto& [number, value] : decoder.items()) {
    AddedToken token = parse_token(value, concat("added_tokens_decoder ", number), folder);
    token.id = parse_id(json::parse(number, nullptr, false), token.content, folder);
    set_token(tokens, token);
  }
}

void read_max_length(const json& config, const fs::path& folder, int64_t& max_length) {
  if (!config.contains("model_max_length")) return;
  const json& value = config["model_max_length"];
  if (!value.is_number_integer() || value.get<int64_t>() < 3 || value.get<int64_t>() > kMaxWindow) {
    fail(folder.string(), ": model_max_length must be a whole number from 3 to ", kMaxWindow,
         ", got ", value.dump());
  }
  max_length = value.get<int64_t>();
}

}  // namespace

ClipTokenizerConfig published_clip_config(const std::string& pad_token) {
  ClipTokenizerConfig config;
  config.bos_token = "<|startoftext|>";
  config.eos_token = config.unk_token = "<|endoftext|>";
  config.pad_token = pad_token;
  for (const std::string& content : {config.bos_token, config.eos_token}) {
    set_token(config.added_tokens, {content, true, {}});
  }
  set_token(config.added_tokens, {pad_token, false, {}});
  return config;
}

ClipTokenizerConfig read_clip_config(const fs::path& folder) {
  const json config_json = read_object(folder / "tokenizer_config.json");
  const json map_json = read_object(folder / "special_tokens_map.json");
  const bool has_decoder = config_json.contains("added_tokens_decoder");

  ClipTokenizerConfig config = published_clip_config("<|endoftext|>");
  config.added_tokens.clear();
  read_max_length(config_json, folder, config.max_length);
  const struct {
    const char* key;
    std::string* content;
    json otherwise;
  } named[] = {
      {"bos_token", &config.bos_token, {{"content", config.bos_token}}},
      {"eos_token", &config.eos_token, {{"content", config.eos_token}}},
      {"unk_token", &config.unk_token, {{"content", config.unk_token}}},
      {"pad_token", &config.pad_token, config.pad_token},
  };
  for (const auto& [key, content, otherwise] : named) {
    json value = has_decoder ? json() : map_json.value(key, json());
    if (value.is_null()) value = config_json.value(key, json());
    const AddedToken token = parse_token(value.is_null() ? otherwise : value, key, folder);
    if (token.content.empty()) fail(folder.string(), ": ", key, " is empty");
    *content = token.content;
    set_token(config.added_tokens, token);
  }
  if (has_decoder) {
    read_decoder_tokens(config_json["added_tokens_decoder"], folder, config.added_tokens);
  } else {
    const json ids = read_object(folder / "added_tokens.json");
    for (const auto& [content, id] : ids.items()) {
      const bool special = contains(config.added_tokens, content);
      set_token(config.added_tokens, {content, !special, parse_id(id, content, folder)});
    }
  }
  return config;
}

}  // namespace dorabooth
