// One section a command; the tables are field_list_markdown's.
#include "ui/cli/configs_readme.h"

#include "pipelines/analyze.h"
#include "pipelines/bench.h"
#include "pipelines/compare.h"
#include "pipelines/convert.h"
#include "pipelines/evaluate.h"
#include "pipelines/extract.h"
#include "pipelines/inspect.h"
#include "pipelines/mark_pictures.h"
#include "pipelines/match_pictures.h"
#include "pipelines/merge.h"
#include "pipelines/pretrain.h"
#include "pipelines/rank_pictures.h"
#include "pipelines/reconstruct.h"
#include "pipelines/restyle.h"
#include "pipelines/sample.h"
#include "pipelines/sweep.h"
#include "pipelines/train.h"
#include "ui/cli/preset_readme.h"

namespace dorabooth {

namespace {

template <typename Request>
std::string section(const std::string& command, const FieldList<Request>& fields) {
  const Request defaults;
  return "\n## " + command + "\n" + field_list_markdown(fields, &defaults);
}

}  // namespace

std::string configs_readme(const std::filesystem::path& configs) {
  std::string text =
      "# Settings\n\n"
      "A file in this folder is one run: `dorabooth train --config configs/quickstart.json`. Its "
      "keys are the command's flags; a flag wins over the file, the file over the default. "
      "`--print_config` prints the resolved settings. A key that begins with `_` is a remark.\n\n"
      "This page is written by `build/release/dorabooth_docs`, and a test keeps it up to date.\n";
  text += presets_markdown(read_presets(configs));
  text += section("train", train_fields());
  text += section("sweep", sweep_own_fields()) + "\nAnd all of train's.\n";
  text += section("sample", sample_fields());
  text += section("compare", compare_fields());
  text += section("evaluate", evaluate_fields());
  text += section("reconstruct", reconstruct_fields());
  text += section("rank", rank_fields());
  text += section("merge", merge_fields());
  text += section("convert", convert_fields());
  text += section("extract", extract_fields());
  text += section("resize", resize_fields());
  text += section("inspect", inspect_fields());
  text += section("analyze", analyze_fields());
  text += section("restyle", restyle_fields());
  text += section("mark", mark_fields());
  text += section("match", match_fields());
  text += section("pretrain", pretrain_fields());
  text += section("bench", bench_fields());
  return text;
}

}  // namespace dorabooth
