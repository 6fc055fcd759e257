// A SentencePiece vocabulary (Kudo and Richardson 2018) by byte-pair merging (Sennrich et al. 2016)
// from captions alone, in the form that SentencePieceTokenizer reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace dorabooth {

struct VocabularyOptions {
  int64_t vocab_size = 2048;            // pad, unk, bos and eos included
  int64_t max_length = 32;              // ids of one window, BOS and EOS included
  std::vector<std::string> own_pieces;  // words that are one token each wherever they stand alone
};

// Writes spiece.model and tokenizer_config.json into `folder`, which is made if need be: lower
// case, NFKC, ids pad 0, unk 1, own pieces from 2 on, bos vocab_size - 2, eos vocab_size - 1. Every
// character of the captions is a piece, so that none of them is unknown. The same captions and
// options give the same bytes. Throws where the captions have too few different words for
// vocab_size, with the largest size that they do fill.
void train_vocabulary(const std::vector<std::string>& captions, const VocabularyOptions& options,
                      const std::filesystem::path& folder);

}  // namespace dorabooth
