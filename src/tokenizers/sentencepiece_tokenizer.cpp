// The model file decides on normalisation and pieces; the config on special ids and lower case.
#include "src/tokenizers/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/unicode_text.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void check(const sentencepiece::util::Status& status, const fs::path& path) {
  if (!status.ok()) fail(path.string(), ": ", status.message());
}

bool flag(const json& config, const char* key, bool otherwise, const fs::path& path) {
  const json value = config.value(key, json(otherwise));
  if (!value.is_boolean()) fail(path.string(), ": ", key, " must be true or false");
  return value.get<bool>();
}

// A whole number of the config in [lowest, highest]; `otherwise` if the key is absent.
int64_t number(const json& config, const char* key, int64_t otherwise, int64_t lowest,
               int64_t highest, const fs::path& path) {
  const json value = config.value(key, json(otherwise));
  if (!value.is_number_integer() || value.get<int64_t>() < lowest ||
      value.get<int64_t>() > highest) {
    fail(path.string(), ": ", key, " must be a whole number from ", lowest, " to ", highest,
         ", got ", value.dump());
  }
  return value.get<int64_t>();
}

}  // namespace

struct SentencePieceTokenizer::Model {
  explicit Model(const fs::path& folder);

  fs::path path;
  sentencepiece::SentencePieceProcessor processor;
  Special special;
  bool lower = false;
  bool add_mark = false;  // the config asks for a leading space that the model itself does not add
};

SentencePieceTokenizer::Model::Model(const fs::path& folder) : path(folder / "spiece.model") {
  const std::string bytes = read_file(path);
  if (bytes.empty()) fail(path.string(), ": the file is empty");
  check(processor.LoadFromSerializedProto(bytes), path);
  const fs::path config_path = folder / "tokenizer_config.json";
  const json config = json::parse(read_file(config_path), nullptr, false);
  if (!config.is_object()) fail(config_path.string(), ": not a JSON object");

  const int64_t size = processor.GetPieceSize();
  number(config, "vocab_size", size, size, size, config_path);
  number(config, "unk_token_id", processor.unk_id(), processor.unk_id(), processor.unk_id(),
         config_path);
  const auto id = [&](const char* key, int models) {
    return number(config, key, models, 0, size - 1, config_path);
  };
  special = {id("bos_token_id", processor.bos_id()), id("eos_token_id", processor.eos_id()),
             id("pad_token_id", processor.pad_id()),
             number(config, "model_max_length", 0, 3, int64_t{1} << 20, config_path)};
  lower = flag(config, "do_lower_case", false, config_path);

  std::vector<std::string> pieces;
  check(processor.Encode("a", &pieces), path);
  const bool model_adds_mark = !pieces.empty() && pieces.front().starts_with(kSpaceMark);
  const bool wanted = flag(config, "add_prefix_space", model_adds_mark, config_path);
  if (model_adds_mark && !wanted) {
    fail(config_path.string(), ": add_prefix_space is false, but the model always adds a space");
  }
  add_mark = wanted && !model_adds_mark;
}

SentencePieceTokenizer::SentencePieceTokenizer(const fs::path& folder)
    : SentencePieceTokenizer(std::make_unique<Model>(folder)) {}

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<Model> model)
    : Tokenizer(model->special), model_(std::move(model)) {}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::vector<int64_t> SentencePieceTokenizer::encode(const std::string& utf8) const {
  const std::u32string characters = decode_utf8(utf8);
  std::string text = model_->lower ? encode_utf8(lower_case(characters)) : utf8;
  if (model_->add_mark && !text.empty()) text = kSpaceMark + text;
  std::vector<int> pieces;
  check(model_->processor.Encode(text, &pieces), model_->path);
  std::vector<int64_t> ids = {bos_id()};
  ids.insert(ids.end(), pieces.begin(), pieces.end());
  ids.push_back(eos_id());
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<int64_t>& ids) const {
  std::vector<int> pieces;
  for (const int64_t id : ids) {
    if (id < 0 || id >= vocab_size()) {
      fail("token id ", id, " is not in the vocabulary of ", vocab_size());
    }
    pieces.push_back(static_cast<int>(id));
  }
  std::string text;
  check(model_->processor.Decode(pieces, &text), model_->path);
  return repair_utf8(text);
}

int64_t SentencePieceTokenizer::vocab_size() const { return model_->processor.GetPieceSize(); }

}  // namespace dorabooth
