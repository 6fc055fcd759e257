// Texts of the request to rows, columns and file names.
#include "pipelines/compare_grid.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <map>
#include <sstream>

#include "pipelines/parts/run_checkpoints.h"
#include "pipelines/prompt_list.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBaseColumn = "base";
constexpr const char* kWeights = "pytorch_lora_weights.safetensors";

std::string file_part(const std::string& name) {
  std::string part = name;
  for (char& c : part) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_';
    if (!plain) c = '_';
  }
  return part;
}

void append_columns(const CompareRequest& request, const std::string& text,
                    std::vector<CompareColumn>& columns) {
  const AdapterArgument adapter = parse_named_adapter(text);
  std::vector<std::string> texts = {text};
  if (!request.sweep_strength.empty()) texts = strength_columns(adapter, request.sweep_strength);
  const fs::path path = adapter.path;
  const bool of_a_run = path.filename() == kWeights || fs::exists(path / kWeights);
  const std::string beside = of_a_run ? embedding_beside(adapter.path) : "";
  for (const std::string& one : texts) {
    const AdapterArgument argument = parse_named_adapter(one);
    CompareColumn& column = columns.emplace_back();
    column.name = argument.name;
    column.file_part = file_part(argument.name);
    column.adapters = {argument};
    if (!beside.empty()) column.embeddings.push_back({"", beside, std::nullopt});
  }
}

// In place of those that lie beside the adapter.
void give_embeddings(const CompareRequest& request, std::vector<CompareColumn>& columns) {
  std::vector<std::string> names;
  for (const CompareColumn& column : columns) names.push_back(column.name);
  for (CompareColumn& column : columns) {
    auto given = embeddings_of_column(request.embedding, column.name, names);
    if (!given.empty()) column.embeddings = std::move(given);
  }
}

}  // namespace

std::vector<CompareRow> compare_rows(const CompareRequest& request) {
  const std::vector<std::string> prompts = prompt_list(request.prompt, request.prompts_file);
  if (request.seed.empty()) throw UsageError("--seed is empty: want at least one");
  std::vector<CompareRow> rows;
  for (const std::string& prompt : prompts) {
    for (const int64_t seed : request.seed) rows.push_back({prompt, seed});
  }
  return rows;
}

std::vector<CompareColumn> compare_columns(const CompareRequest& request) {
  std::vector<CompareColumn> columns = {{kBaseColumn, kBaseColumn, {}}};
  for (const std::string& text : request.column) append_columns(request, text, columns);
  for (const std::string& run : request.sweep_checkpoints) {
    for (const std::string& text : checkpoint_columns(run)) append_columns(request, text, columns);
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    for (size_t before = 0; before < i; ++before) {
      if (columns[before].file_part != columns[i].file_part) continue;
      throw UsageError(concat("--column: '", columns[before].name, "' and '", columns[i].name,
                              "' would share their files; give them different names"));
    }
  }
  give_embeddings(request, columns);
  return columns;
}

SampleRequest cell_request(const CompareRequest& request, const CompareColumn& column) {
  SampleRequest one;
  static_cast<ModelOptions&>(one) = request;
  static_cast<SamplingOptions&>(one) = request;
  static_cast<ReadingOptions&>(one) = request;
  for (const AdapterArgument& adapter : column.adapters) one.adapter_path.push_back(adapter.text());
  for (const EmbeddingArgument& embedding : column.embeddings)
    one.embedding.push_back(embedding.text());
  return one;
}

std::string compare_picture_path(const CompareRequest& request, size_t row, int64_t seed,
                                 const CompareColumn& column) {
  const fs::path output = request.output;
  std::string number = std::to_string(row);
  number.insert(0, number.size() < 3 ? 3 - number.size() : 0, '0');
  const std::string name = concat(number, "-", seed, "-", column.file_part, ".png");
  return (output.parent_path() / output.stem() / name).string();
}

std::string column_text(const std::string& name, const AdapterArgument& adapter) {
  std::string plain = name;
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c == '=' || c == '/'; }, ' ');
  return plain + "=" + adapter.text();
}

std::vector<std::string> strength_columns(const AdapterArgument& adapter,
                                          const std::vector<double>& strengths) {
  std::vector<std::string> columns;
  for (const double strength : strengths) {
    AdapterArgument one = adapter;
    one.strength = strength;
    columns.push_back(column_text(concat(adapter.name, " ", strength), one));
  }
  return columns;
}

std::vector<std::string> checkpoint_columns(const std::string& run_folder) {
  std::vector<std::string> columns;
  for (const CheckpointAdapter& one : checkpoint_adapters(run_folder)) {
    const std::string name =
        concat(one.adapter, one.adapter.empty() ? "step " : " step ", one.step);
    columns.push_back(column_text(name, {"", one.path, 1.0}));
  }
  return columns;
}

}  // namespace dorabooth
