// A worker's side of bench: one JSON line answers each line read.
//   write   writes the random base of the task
//   build   makes ready; the peak of memory counts from here
//   run     one repetition: {"wall", "cpu", "process_cpu"} in seconds
//   report  {"peak_mb", "base_mb"}
#include <ATen/Parallel.h>
#include <malloc.h>

#include <chrono>
#include <ctime>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "pipelines/parts/bench_model.h"
#include "pipelines/parts/bench_work.h"
#include "pipelines/parts/process_memory.h"
#include "src/base/error.h"
#include "src/device/device.h"

namespace dorabooth {

namespace {

using nlohmann::json;

// Of all threads of this process, since its start.
double process_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Worker {
 public:
  explicit Worker(BenchTask task) : task_(std::move(task)), base_mb_(resident_memory_mb()) {}

  json answer(const std::string& line) {
    if (line == "write") {
      write_random_base(*task_.request.pretrained_model_name_or_path, task_.request);
      return json::object();
    }
    if (line == "build") {
      work_ = make_bench_work(task_);
      malloc_trim(0);
      reset_peak_memory();
      base_mb_ = resident_memory_mb();
      return json::object();
    }
    if (line == "run") return run();
    if (line == "report") return {{"peak_mb", peak_memory_mb()}, {"base_mb", base_mb_}};
    fail("bench: a worker was told '", line, "'");
  }

 private:
  json run() {
    if (!work_) work_ = make_bench_work(task_);
    const double cpu = process_seconds();
    const auto start = std::chrono::steady_clock::now();
    work_->run();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    return {{"wall", wall.count() / work_->units()},
            {"cpu", (process_seconds() - cpu) / work_->units()},
            {"process_cpu", process_seconds()}};
  }

  BenchTask task_;
  std::unique_ptr<BenchWork> work_;
  double base_mb_;
};

}  // namespace

void serve_bench(const std::string& task_text, std::istream& in, std::ostream& out) {
  const auto send = [&](const json& answer) { out << answer.dump() << std::endl; };
  try {
    BenchTask task = BenchTask::from_json(json::parse(task_text));
    open_device(task.request.device);
    at::set_num_threads(static_cast<int>(task.request.threads));
    Worker worker(std::move(task));
    std::string line;
    while (std::getline(in, line)) send(worker.answer(line));
  } catch (const std::exception& error) {
    const std::string what = error.what();
    send({{"error", what.substr(0, what.find('\n'))}});
  }
}

}  // namespace dorabooth
