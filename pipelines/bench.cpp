// The side that asks: workers take turns, and no torch call is made here.
#include "pipelines/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "pipelines/parts/bench_work.h"
#include "pipelines/parts/child_process.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int kWarmUps = 2;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "dorabooth-bench-XXXXXX").string();
    if (!mkdtemp(name.data())) fail(name, ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::vector<std::string> variants_of(const BenchRequest& request) {
  std::vector<std::string> known = {"none"};  // of a load
  if (request.what == "step" || request.what == "layer") known = {"none", "lora", "dora"};
  if (request.what == "sample") known = {"none", "lora", "dora", "merged"};
  if (request.what == "merge") known = {"lora", "dora"};
  if (request.what == "product") known = {"matmul", "onednn"};
  if (request.what == "product" && request.dtype != "fp32") known.push_back("widened");
  if (request.variant.empty()) return known;
  for (const std::string& variant : request.variant) {
    if (std::find(known.begin(), known.end(), variant) != known.end()) continue;
    std::string names;
    for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
    throw UsageError(concat("--variant: ", request.what, " has ", names, ", not '", variant, "'"));
  }
  return request.variant;
}

// One variant: its worker and what it took.
struct Runner {
  explicit Runner(BenchTask t) : task(std::move(t)) {}

  json ask(const std::string& line) {
    const json answer = json::parse(child->ask(line));
    if (answer.contains("error")) fail(answer["error"].get<std::string>());
    return answer;
  }
  void start(const fs::path& worker) {
    child = std::make_unique<ChildProcess>(
        worker, std::vector<std::string>{"bench-worker", task.to_json().dump()});
  }

  BenchTask task;
  std::unique_ptr<ChildProcess> child;
  std::vector<double> cpu;
  std::vector<double> wall;
  double peak_mb = 0.0;
  double extra_mb = 0.0;
};

void run_once(Runner& runner) {
  const json took = runner.ask("run");
  runner.cpu.push_back(took["cpu"].get<double>());
  runner.wall.push_back(took["wall"].get<double>());
}

void note_memory(Runner& runner) {
  const json report = runner.ask("report");
  runner.peak_mb = std::max(runner.peak_mb, report["peak_mb"].get<double>());
  runner.extra_mb = runner.peak_mb - report["base_mb"].get<double>();
}

// A process for each repetition, from its start to its answer.
void start_and_run(Runner& runner, const fs::path& worker) {
  const auto start = std::chrono::steady_clock::now();
  runner.start(worker);
  const json took = runner.ask("run");
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  runner.cpu.push_back(took["process_cpu"].get<double>());
  runner.wall.push_back(wall.count());
  note_memory(runner);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

BenchLine line_of(const Runner& runner) {
  return {runner.task.request.what,
          runner.task.variant,
          *std::min_element(runner.cpu.begin(), runner.cpu.end()),
          median(runner.cpu),
          median(runner.wall),
          runner.peak_mb,
          runner.extra_mb};
}

std::vector<BenchRatio> ratios_of(const std::vector<std::unique_ptr<Runner>>& runners) {
  const auto find = [&](const std::string& variant) -> const Runner* {
    for (const auto& runner : runners) {
      if (runner->task.variant == variant) return runner.get();
    }
    return nullptr;
  };
  std::vector<BenchRatio> ratios;
  for (const auto& [variant, to] :
       std::vector<std::pair<std::string, std::string>>{{"dora", "lora"},
                                                        {"lora", "none"},
                                                        {"dora", "none"},
                                                        {"matmul", "onednn"},
                                                        {"matmul", "widened"},
                                                        {"lora", "merged"},
                                                        {"dora", "merged"}}) {
    const Runner* above = find(variant);
    const Runner* below = find(to);
    if (!above || !below) continue;
    std::vector<double> quotients;
    for (size_t i = 0; i < std::min(above->cpu.size(), below->cpu.size()); ++i) {
      quotients.push_back(above->cpu[i] / below->cpu[i]);
    }
    ratios.push_back({variant, to, median(quotients)});
  }
  return ratios;
}

}  // namespace

BenchReport bench(const BenchRequest& request, Progress& progress, std::stop_token stop,
                  const fs::path& worker) {
  const bool is_load = request.what == "load";
  const bool reads_base = is_load || request.what == "merge";
  const TemporaryFolder folder;
  std::vector<std::unique_ptr<Runner>> runners;
  for (const std::string& variant : variants_of(request)) {
    runners.push_back(std::make_unique<Runner>(BenchTask{request, variant, folder.path()}));
    std::optional<std::string>& base = runners.back()->task.request.pretrained_model_name_or_path;
    if (reads_base && !base) base = (folder.path() / "base").string();
  }
  const Log log = log_to(progress);
  log.info(concat("making random weights, ", request.preset, ", ", request.dtype));
  if (reads_base && !request.pretrained_model_name_or_path) {
    runners[0]->start(worker);
    runners[0]->ask("write");
  }
  for (const auto& runner : runners) {
    if (is_load) continue;
    runner->start(worker);
    runner->ask("build");
    for (int i = 0; i < kWarmUps && request.what != "merge"; ++i) {
      if (!stop.stop_requested()) runner->ask("run");
    }
  }
  StepMeter meter(progress, "bench", request.rounds * static_cast<int64_t>(runners.size()));
  BenchReport report;
  for (int64_t round = 0; round < request.rounds && !stop.stop_requested(); ++round) {
    for (size_t i = 0; i < runners.size(); ++i) {
      // There and back, so that none always follows the same one.
      Runner& runner = *runners[round % 2 == 0 ? i : runners.size() - 1 - i];
      if (is_load) {
        start_and_run(runner, worker);
      } else {
        run_once(runner);
      }
      meter.step();
    }
  }
  report.stopped = stop.stop_requested();
  for (const auto& runner : runners) {
    if (runner->cpu.empty()) continue;
    if (!is_load) note_memory(*runner);
    report.lines.push_back(line_of(*runner));
  }
  if (report.lines.size() == runners.size()) report.ratios = ratios_of(runners);
  return report;
}

}  // namespace dorabooth
