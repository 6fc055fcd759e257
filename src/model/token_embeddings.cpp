// New rows lie behind each encoder's own table, whatever number of tokens its tokenizer has.
#include "src/model/token_embeddings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/tokenizers/placeholder_tokenizer.h"

namespace dorabooth {

namespace {

void require_encoders_to_extend(const SdxlBundle& bundle) {
  if (!bundle.text_encoder || !bundle.text_encoder_2) {
    fail(bundle.path.string(), ": new tokens want both text encoders");
  }
}

std::shared_ptr<const Tokenizer> with_tokens(std::shared_ptr<const Tokenizer> tokenizer,
                                             const ClipTextModel& encoder,
                                             const std::vector<NewToken>& tokens) {
  const int64_t vocab_size = encoder.config().vocab_size;
  std::vector<Placeholder> placeholders;
  for (const NewToken& token : tokens) {
    Placeholder& placeholder = placeholders.emplace_back();
    placeholder.text = token.text;
    for (int64_t i = 0; i < token.count; ++i)
      placeholder.ids.push_back(vocab_size + token.first + i);
  }
  return std::make_shared<PlaceholderTokenizer>(std::move(tokenizer), std::move(placeholders));
}

// Without the begin and the end of the text.
std::vector<int64_t> content_ids(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<int64_t> ids = tokenizer.encode(text);
  return {ids.begin() + 1, ids.end() - 1};
}

at::Tensor random_rows(const ClipTextModel& encoder, const std::string& name, int64_t count,
                       uint64_t seed) {
  const int64_t width = encoder.config().hidden_size;
  at::Tensor rows = at::empty({count, width}, at::kFloat);
  const RandomStream stream(seed, concat("init/", name, ".token_embedding"));
  for (int64_t row = 0; row < count; ++row) {
    stream.normal(
        0, static_cast<uint32_t>(row),
        std::span<float>(rows.data_ptr<float>() + row * width, static_cast<size_t>(width)));
  }
  return rows.mul_(token_table_std(encoder)).to(encoder.token_table().device());
}

at::Tensor rows_of(const ClipTextModel& encoder, const Tokenizer& tokenizer,
                   const std::string& text, int64_t count) {
  const std::vector<int64_t> ids = content_ids(tokenizer, text);
  if (ids.empty()) fail("'", text, "' has no token that a new token could begin as");
  std::vector<int64_t> wanted;
  for (int64_t i = 0; i < count; ++i) wanted.push_back(ids[static_cast<size_t>(i) % ids.size()]);
  const at::Tensor table = encoder.token_table();
  const at::Tensor index = at::tensor(wanted).to(table.device());
  return table.index_select(0, index).to(at::kFloat);
}

}  // namespace

void add_tokens(SdxlBundle& bundle, const std::vector<NewToken>& tokens) {
  require_encoders_to_extend(bundle);
  bundle.tokenizer = with_tokens(bundle.tokenizer, *bundle.text_encoder, tokens);
  bundle.tokenizer_2 = with_tokens(bundle.tokenizer_2, *bundle.text_encoder_2, tokens);
}

TokenEmbeddingScope::TokenEmbeddingScope(const SdxlBundle& bundle, const at::Tensor& clip_l,
                                         const at::Tensor& clip_g)
    : encoders_{bundle.text_encoder, bundle.text_encoder_2},
      before_{bundle.text_encoder->added_embeddings(), bundle.text_encoder_2->added_embeddings()} {
  encoders_[0]->set_added_embeddings(clip_l);
  encoders_[1]->set_added_embeddings(clip_g);
}

TokenEmbeddingScope::TokenEmbeddingScope(TokenEmbeddingScope&& other) noexcept {
  *this = std::move(other);
}

TokenEmbeddingScope& TokenEmbeddingScope::operator=(TokenEmbeddingScope&& other) noexcept {
  if (this == &other) return *this;
  release();
  for (size_t i = 0; i < 2; ++i) {
    encoders_[i] = std::move(other.encoders_[i]);
    before_[i] = std::move(other.before_[i]);
  }
  return *this;
}

TokenEmbeddingScope::~TokenEmbeddingScope() { release(); }

void TokenEmbeddingScope::release() {
  for (size_t i = 0; i < 2; ++i) {
    if (encoders_[i]) encoders_[i]->set_added_embeddings(before_[i]);
    encoders_[i].reset();
  }
}

TokenEmbeddingScope TokenEmbeddings::attach(const SdxlBundle& bundle) const {
  if (count() == 0) return {};
  require_encoders_to_extend(bundle);
  return {bundle, clip_l, clip_g};
}

// By blocks of rows and in double: a table of 16-bit numbers is never copied whole.
double token_table_std(const ClipTextModel& encoder) {
  constexpr int64_t kRows = 4096;
  const at::NoGradGuard no_grad;
  const at::Tensor table = encoder.token_table();
  double sum = 0.0;
  double squares = 0.0;
  for (int64_t first = 0; first < table.size(0); first += kRows) {
    const int64_t last = std::min(first + kRows, table.size(0));
    const at::Tensor block = table.slice(0, first, last).to(at::kDouble);
    sum += block.sum().item<double>();
    squares += block.square().sum().item<double>();
  }
  const auto numbers = static_cast<double>(table.numel());
  return std::sqrt((squares - sum * sum / numbers) / (numbers - 1));
}

TokenEmbeddings random_token_embeddings(const SdxlBundle& bundle, int64_t count, uint64_t seed) {
  require_encoders_to_extend(bundle);
  return {random_rows(*bundle.text_encoder, "text_encoder", count, seed),
          random_rows(*bundle.text_encoder_2, "text_encoder_2", count, seed)};
}

int64_t token_count(const SdxlBundle& bundle, const std::string& text) {
  require_encoders_to_extend(bundle);
  return static_cast<int64_t>(std::max(content_ids(*bundle.tokenizer, text).size(),
                                       content_ids(*bundle.tokenizer_2, text).size()));
}

TokenEmbeddings token_embeddings_of(const SdxlBundle& bundle, const std::string& text,
                                    int64_t count) {
  require_encoders_to_extend(bundle);
  const at::NoGradGuard no_grad;
  return {rows_of(*bundle.text_encoder, *bundle.tokenizer, text, count),
          rows_of(*bundle.text_encoder_2, *bundle.tokenizer_2, text, count)};
}

}  // namespace dorabooth
