// A column is a state of the base's adapter slots; a row is a prompt and a seed.
#include "pipelines/compare.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipelines/compare_grid.h"
#include "pipelines/comparison_sheet.h"
#include "pipelines/drawn_cells.h"
#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/prompt_cache.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/version.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

struct DrawnColumn : CompareColumn {
  AdapterStack stack;
  EmbeddingStack tokens;
  SdxlBundle bundle;  // the base with the embeddings' tokens
};

// A column's adapters in the base while it lives.
struct AppliedColumn {
  size_t column = 0;
  AttachedStack stack;
  TokenEmbeddingScope tokens;
};

std::vector<DrawnColumn> columns_of(const CompareRequest& request) {
  std::vector<DrawnColumn> columns;
  for (CompareColumn& column : compare_columns(request))
    columns.push_back({std::move(column), {}, {}, {}});
  return columns;
}

// Whether each column is to be drawn.
std::vector<bool> wanted_columns(const CompareRequest& request,
                                 const std::vector<DrawnColumn>& columns) {
  std::vector<bool> wanted(columns.size(), request.only_column.empty());
  std::vector<std::string> names;
  for (const DrawnColumn& column : columns) names.push_back(column.name);
  for (const std::string& name : request.only_column) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw UsageError(
          concat("--only_column: no column is called '", name, "'", did_you_mean(name, names)));
    }
    wanted[static_cast<size_t>(found - names.begin())] = true;
  }
  return wanted;
}

class Comparison {
 public:
  Comparison(const CompareRequest& request, Progress& progress, std::stop_token stop,
             ResidentBase* resident)
      : request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        log_(log_to(progress)),
        rows_(compare_rows(request)),
        columns_(columns_of(request)),
        wanted_(wanted_columns(request, columns_)),
        bundle_(load_base(request, log_, resident)),
        plan_(plan_generation(request, bundle_, log_)),
        prompts_(bundle_, plan_, log_) {
    const StrengthRule rule = parse_strength_rule(request.strength_rule);
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (wanted_[i]) load(columns_[i], rule);
    }
  }

  CompareReport run() {
    const std::vector<std::pair<size_t, size_t>> cells = cells_to_draw();
    StepMeter meter(progress_, "compare", static_cast<int64_t>(cells.size()) * plan_.calls());
    for (const auto& [row, column] : cells) {
      if (!applied_ || applied_->column != column) apply(column);
      draw(row, column, meter);
      if (report_.stopped) break;
    }
    applied_.reset();
    for (const auto& [cell, path] : pictures_) report_.pictures.push_back(path);
    if (!pictures_.empty() && request_.only_column.empty()) write_sheet();
    return std::move(report_);
  }

 private:
  void load(DrawnColumn& column, StrengthRule rule) {
    column.stack = AdapterStack(column.adapters, rule, bundle_, request_, log_);
    std::vector<EmbeddingArgument> embeddings = column.embeddings;
    for (EmbeddingArgument& one : bundled_embeddings(column.adapters)) {
      embeddings.push_back(std::move(one));
    }
    column.tokens = EmbeddingStack(embeddings, bundle_, log_);
    column.bundle = column.tokens.with_tokens(bundle_);
    std::vector<std::string> texts;
    for (const CompareRow& row : rows_) texts.push_back(row.prompt);
    if (request_.negative_prompt) texts.push_back(*request_.negative_prompt);
    if (!request_.embedding.empty()) column.tokens.warn_of_unused(texts, log_);
    std::vector<std::string> files;
    for (const LoadedAdapter& adapter : column.stack.adapters()) files.push_back(adapter.file);
    column.tokens.warn_of_missing(files, texts, log_);
  }

  // Row by row; column by column where patches are made for a column: a patched weight is as large
  // as the base's, so that of one column at a time is kept. Tells of those that are kept.
  std::vector<std::pair<size_t, size_t>> cells_to_draw() {
    std::vector<std::pair<size_t, size_t>> cells;
    for (size_t row = 0; row < rows_.size(); ++row) {
      for (size_t column = 0; column < columns_.size(); ++column) {
        if (!wanted_[column]) continue;
        if (is_kept(row, column)) {
          ++report_.kept;
          finish(row, column, read_picture(path_of(row, column)).image);
        } else {
          cells.emplace_back(row, column);
        }
      }
    }
    const bool patched = std::ranges::any_of(
        columns_, [](const DrawnColumn& column) { return column.stack.has_patches(); });
    if (patched) std::ranges::stable_sort(cells, {}, &std::pair<size_t, size_t>::second);
    return cells;
  }

  void apply(size_t column) {
    applied_.reset();
    DrawnColumn& of = columns_[column];
    applied_.emplace(AppliedColumn{column, of.stack.attach(), of.tokens.attach(bundle_)});
  }

  // The text says the same settings and adapter files; the base is older than the picture.
  bool is_kept(size_t row, size_t column) {
    const fs::path path = path_of(row, column);
    if (!request_.reuse || !fs::exists(path)) return false;
    if (!base_written_) base_written_ = base_written(bundle_.path);
    if (fs::last_write_time(path) < *base_written_) return false;
    try {
      return read_png_text(path) == text_of(row, column);
    } catch (const Error&) {
      return false;  // not a PNG: drawn again
    }
  }

  void draw(size_t row, size_t column, StepMeter& meter) {
    DrawnColumn& of = columns_[column];
    const bool own_text = of.stack.touches_text_encoders() || !of.tokens.empty();
    // Number 0 is the base without embeddings.
    const Conditioning& conditioning =
        prompts_.get(rows_[row].prompt, own_text ? column + 1 : 0, &of.bundle);
    TorchNoise noise({static_cast<uint64_t>(rows_[row].seed)});
    std::vector<Image> images = draw_pictures(bundle_, plan_, conditioning, 1, noise, [&] {
      meter.step();
      return !stop_.stop_requested();
    });
    if (images.empty()) {
      report_.stopped = true;
      return;
    }
    write_png(path_of(row, column), images[0], text_of(row, column));
    finish(row, column, std::move(images[0]));
  }

  std::string path_of(size_t row, size_t column) const {
    return compare_picture_path(request_, row, rows_[row].seed, columns_[column]);
  }

  PngText text_of(size_t row, size_t column) const {
    const DrawnColumn& of = columns_[column];
    const SampleRequest one = request_of_one(cell_request(request_, of), rows_[row].prompt,
                                             rows_[row].seed, 0, plan_, bundle_);
    return picture_text(one, plan_, bundle_, of.stack, of.tokens);
  }

  void finish(size_t row, size_t column, Image image) {
    pictures_[{row, column}] = path_of(row, column);
    PreviewEvent preview;
    preview.row = static_cast<int64_t>(row);
    preview.column = static_cast<int64_t>(column);
    preview.row_label = concat(rows_[row].prompt, " · seed ", rows_[row].seed);
    preview.column_label = columns_[column].name;
    preview.image = std::move(image);
    progress_.on(preview);
  }

  ComparisonSheet sheet() const {
    ComparisonSheet sheet;
    sheet.title = "Comparison";
    sheet.settings = concat(request_.pretrained_model_name_or_path, " · ", plan_.scheduler_class(),
                            " · ", plan_.steps, " steps · guidance ", plan_.guidance_scale, " · ",
                            plan_.width, "x", plan_.height);
    for (const DrawnColumn& column : columns_) sheet.columns.push_back(column.name);
    for (size_t row = 0; row < rows_.size(); ++row) {
      SheetRow& to = sheet.rows.emplace_back();
      to.prompt = rows_[row].prompt;
      to.detail = concat("seed ", rows_[row].seed);
      for (size_t column = 0; column < columns_.size(); ++column) {
        const auto found = pictures_.find({row, column});
        SheetCell& cell = to.cells.emplace_back();
        if (found != pictures_.end()) cell.picture = found->second;
        for (const AdapterArgument& adapter : columns_[column].adapters)
          cell.caption = concat("strength ", adapter.strength);
      }
    }
    return sheet;
  }

  void write_sheet() {
    nlohmann::json request = compare_fields().to_json(&request_);
    for (const char* key : {"device", "output", "reuse", "only_column"}) request.erase(key);
    const nlohmann::json text = {
        {"what", "compare"}, {"version", program_version()}, {"request", request}};
    write_comparison_sheet(sheet(), request_.output, {{"dorabooth", text.dump()}});
    report_.sheet = request_.output;
    progress_.on(SavedEvent{report_.sheet});
  }

  const CompareRequest& request_;
  Progress& progress_;
  std::stop_token stop_;
  Log log_;
  std::vector<CompareRow> rows_;
  std::vector<DrawnColumn> columns_;
  std::vector<bool> wanted_;
  SdxlBundle bundle_;
  GenerationPlan plan_;
  PromptCache prompts_;
  std::optional<fs::file_time_type> base_written_;
  std::map<std::pair<size_t, size_t>, std::string> pictures_;  // by row and column
  CompareReport report_;
  std::optional<AppliedColumn> applied_;
};

}  // namespace

CompareReport compare(const CompareRequest& request, Progress& progress, std::stop_token stop,
                      ResidentBase* resident) {
  check_sheet_name(request.output);
  return Comparison(request, progress, std::move(stop), resident).run();
}

}  // namespace dorabooth
