// The rows and columns of a comparison, from its request alone: what compare() draws and a window
// lays out.
#pragma once

#include "pipelines/adapter_argument.h"
#include "pipelines/compare.h"
#include "pipelines/embedding_argument.h"
#include "pipelines/sample.h"

namespace dorabooth {

struct CompareRow {
  std::string prompt;
  int64_t seed = 0;
};

struct CompareColumn {
  std::string name;
  std::string file_part;                  // of the pictures' names
  std::vector<AdapterArgument> adapters;  // none: the base
  std::vector<EmbeddingArgument> embeddings = {};
};

// Prompts × seeds; reads prompts_file. UsageError if there is none.
std::vector<CompareRow> compare_rows(const CompareRequest& request);
// The base, then each adapter, sweeps written out; reads the folders of sweep_checkpoints. An
// adapter where a training run wrote it has the embeddings beside it, unless the request names some
// for its column.
// UsageError for two columns of one name, and for an embedding of no column.
std::vector<CompareColumn> compare_columns(const CompareRequest& request);

// What `sample` would be asked for to draw a cell of this column, but for its prompt and seed.
SampleRequest cell_request(const CompareRequest& request, const CompareColumn& column);

// <output stem>/row-seed-column.png beside the sheet.
std::string compare_picture_path(const CompareRequest& request, size_t row, int64_t seed,
                                 const CompareColumn& column);

// NAME=FILE[:strength], as --column takes it; a name cannot hold '=' or '/', which become spaces.
std::string column_text(const std::string& name, const AdapterArgument& adapter);
// The adapter at each strength: "DoRA 0.5=FILE:0.5".
std::vector<std::string> strength_columns(const AdapterArgument& adapter,
                                          const std::vector<double>& strengths);
// Every checkpoint-N of a training run by N, of a twin run first one adapter's and then the
// other's: "step 500=FILE", "dora step 500=FILE". Throws if there is none.
std::vector<std::string> checkpoint_columns(const std::string& run_folder);

}  // namespace dorabooth
