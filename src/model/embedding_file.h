// Files of token embeddings as SDXL's tools exchange them: a safetensors file with `clip_l`
// [count, hidden_size of text_encoder] and `clip_g` [count, hidden_size of text_encoder_2], a row a
// vector (kohya's sdxl_train_textual_inversion.py, OneTrainer, diffusers'
// train_dreambooth_lora_sdxl_advanced.py). Files of this program also say, under "dorabooth" in the
// header, which placeholder each row belongs to and which words stood for them in training.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/model/token_embeddings.h"

namespace dorabooth {

struct EmbeddingFile {
  TokenEmbeddings rows;                           // fp32, CPU
  std::vector<std::string> placeholders;          // one a row; empty: the file does not say
  std::map<std::string, std::string> words = {};  // "TOK" → "<s0><s1>"

  // The placeholders, one for neighbouring rows of one name, and the words.
  std::vector<NewToken> tokens() const;
};

// A file of embeddings, or those that an adapter's file bundles ("bundle_emb.<placeholder>.clip_l"),
// whose rows it names by their placeholders. Throws, saying what the file is, for embeddings of other models, adapters and pickles; warns of
// OneTrainer's output embeddings, which are left out.
EmbeddingFile read_embedding_file(const std::filesystem::path& path, const Log& log);

// fp32. The same values give the same bytes.
void write_embedding_file(const std::filesystem::path& path, const EmbeddingFile& file,
                          std::map<std::string, std::string> metadata);

}  // namespace dorabooth
