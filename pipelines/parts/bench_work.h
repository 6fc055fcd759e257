// What one worker of bench measures: built once, repeated. Internal to pipelines/bench.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "pipelines/bench.h"
#include "src/adapter/set.h"

namespace dorabooth {

struct BenchTask {
  BenchRequest request;
  std::string variant;
  std::filesystem::path folder;  // for files of this run

  nlohmann::json to_json() const;
  static BenchTask from_json(const nlohmann::json& json);
};

class BenchWork {
 public:
  virtual ~BenchWork() = default;
  virtual void run() = 0;
  // What one run() is this many of.
  virtual double units() const { return 1.0; }
};

// An adapter of the request's rank whose B is no longer zero.
AdapterSet trained_looking_set(const std::string& kind, const BenchRequest& request,
                               const LinearLayers& layers, at::Device device);

// Seconds of one repetition of `what` = layer are of one forward and backward pass.
std::unique_ptr<BenchWork> make_layer_work(const BenchTask& task, at::Device device);
// `what` = product: of one frozen product by the library that the variant names.
std::unique_ptr<BenchWork> make_product_work(const BenchTask& task, at::Device device);
std::unique_ptr<BenchWork> make_bench_work(const BenchTask& task);

}  // namespace dorabooth
