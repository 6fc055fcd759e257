// A column is a state of the base's adapter slots; a row is a prompt and a seed.
#include "pipelines/compare.h"

#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/prompt_cache.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/version.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/contact_sheet.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBaseColumn = "base";

struct Row {
  std::string prompt;
  int64_t seed = 0;
};

struct Column {
  std::string name;
  std::string file_part;  // of the pictures' names
  std::vector<AdapterArgument> arguments;
  AdapterStack stack;
};

std::string trimmed(const std::string& line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

std::vector<Row> rows_of(const CompareRequest& request) {
  std::vector<std::string> prompts = request.prompt;
  if (request.prompts_file) {
    std::istringstream lines(read_file(*request.prompts_file));
    for (std::string line; std::getline(lines, line);) {
      if (const std::string prompt = trimmed(line); !prompt.empty()) prompts.push_back(prompt);
    }
  }
  if (prompts.empty()) {
    throw UsageError(request.prompts_file
                         ? concat("--prompts_file ", *request.prompts_file, " holds no prompt")
                         : "--prompt or --prompts_file is missing: want at least one prompt");
  }
  if (request.seed.empty()) throw UsageError("--seed is empty: want at least one");
  std::vector<Row> rows;
  for (const std::string& prompt : prompts) {
    for (const int64_t seed : request.seed) rows.push_back({prompt, seed});
  }
  return rows;
}

std::string file_part(const std::string& name) {
  std::string part = name;
  for (char& c : part) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_';
    if (!plain) c = '_';
  }
  return part;
}

std::vector<Column> columns_of(const CompareRequest& request) {
  std::vector<Column> columns(1);
  columns[0].name = kBaseColumn;
  columns[0].file_part = kBaseColumn;
  for (const std::string& text : request.column) {
    const AdapterArgument argument = parse_named_adapter(text);
    Column column{argument.name, file_part(argument.name), {argument}, {}};
    for (const Column& other : columns) {
      if (other.file_part == column.file_part) {
        throw UsageError(concat("--column: '", other.name, "' and '", column.name,
                                "' would share their files; give them different names"));
      }
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

fs::path checked_sheet_path(const CompareRequest& request) {
  const fs::path path = request.output;
  if (path.extension() != ".png" || path.stem().empty()) {
    throw UsageError(concat("--output: want a name that ends in .png, got '", request.output, "'"));
  }
  return path;
}

// What `sample` would be asked for to draw one cell.
SampleRequest sample_request(const CompareRequest& request, const Column& column) {
  SampleRequest one;
  static_cast<ModelOptions&>(one) = request;
  static_cast<SamplingOptions&>(one) = request;
  for (const AdapterArgument& argument : column.arguments) {
    one.adapter_path.push_back(argument.text());
  }
  return one;
}

class Comparison {
 public:
  Comparison(const CompareRequest& request, Progress& progress, std::stop_token stop,
             ResidentBase* resident)
      : request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        log_(log_to(progress)),
        sheet_path_(checked_sheet_path(request)),
        rows_(rows_of(request)),
        columns_(columns_of(request)),
        bundle_(load_base(request, log_, resident)),
        plan_(plan_generation(request, bundle_, log_)),
        prompts_(bundle_, plan_, log_) {
    const StrengthRule rule = parse_strength_rule(request.strength_rule);
    for (Column& column : columns_) column.stack = AdapterStack(column.arguments, rule, bundle_);
  }

  CompareReport run() {
    sheet_.rows.resize(rows_.size());
    for (const Column& column : columns_) sheet_.columns.push_back(column.name);
    for (size_t i = 0; i < rows_.size(); ++i) {
      sheet_.rows[i] = {rows_[i].prompt, concat("seed ", rows_[i].seed),
                        std::vector<Image>(columns_.size())};
    }
    const auto cells = static_cast<int64_t>(rows_.size() * columns_.size());
    StepMeter meter(progress_, "compare", cells * plan_.calls());
    for (size_t row = 0; row < rows_.size() && !report_.stopped; ++row) {
      for (size_t column = 0; column < columns_.size() && !report_.stopped; ++column) {
        draw(row, column, meter);
      }
    }
    if (!report_.pictures.empty()) write_sheet();
    return std::move(report_);
  }

 private:
  void draw(size_t row, size_t column, StepMeter& meter) {
    AdapterStack& stack = columns_[column].stack;
    const auto attached = stack.attach();
    const size_t encoders = stack.touches_text_encoders() ? column : 0;
    TorchNoise noise({static_cast<uint64_t>(rows_[row].seed)});
    std::vector<Image> images =
        draw_pictures(bundle_, plan_, prompts_.get(rows_[row].prompt, encoders), 1, noise, [&] {
          meter.step();
          return !stop_.stop_requested();
        });
    if (images.empty()) {
      report_.stopped = true;
      return;
    }
    write_picture(row, column, images[0]);
    sheet_.rows[row].pictures[column] = std::move(images[0]);
  }

  void write_picture(size_t row, size_t column, const Image& image) {
    const SampleRequest one = request_of_one(sample_request(request_, columns_[column]),
                                             rows_[row].prompt, rows_[row].seed, 0, plan_, bundle_);
    const fs::path folder = sheet_path_.parent_path() / sheet_path_.stem();
    std::string number = std::to_string(row);
    number.insert(0, number.size() < 3 ? 3 - number.size() : 0, '0');
    const fs::path path =
        folder / concat(number, "-", rows_[row].seed, "-", columns_[column].file_part, ".png");
    write_png(path, image, picture_text(one, plan_, bundle_, columns_[column].stack));
    report_.pictures.push_back(path.string());
    PreviewEvent preview;
    preview.row = static_cast<int64_t>(row);
    preview.column = static_cast<int64_t>(column);
    preview.row_label = concat(rows_[row].prompt, " · seed ", rows_[row].seed);
    preview.column_label = columns_[column].name;
    preview.image = image;
    progress_.on(preview);
  }

  void write_sheet() {
    nlohmann::json request = compare_fields().to_json(&request_);
    for (const char* key : {"device", "output"}) request.erase(key);
    const nlohmann::json text = {
        {"what", "compare"}, {"version", program_version()}, {"request", request}};
    const Font font(asset_path("fonts/DejaVuSans.ttf"));
    write_png(sheet_path_, contact_sheet(sheet_, font), {{"dorabooth", text.dump()}});
    report_.sheet = sheet_path_.string();
    progress_.on(SavedEvent{report_.sheet});
  }

  const CompareRequest& request_;
  Progress& progress_;
  std::stop_token stop_;
  Log log_;
  fs::path sheet_path_;
  std::vector<Row> rows_;
  std::vector<Column> columns_;
  SdxlBundle bundle_;
  GenerationPlan plan_;
  PromptCache prompts_;
  ContactSheet sheet_;
  CompareReport report_;
};

}  // namespace

CompareReport compare(const CompareRequest& request, Progress& progress, std::stop_token stop,
                      ResidentBase* resident) {
  return Comparison(request, progress, std::move(stop), resident).run();
}

}  // namespace dorabooth
