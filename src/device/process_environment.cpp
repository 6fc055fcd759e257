// RANK and its kin, checked one by one.
#include "src/device/process_environment.h"

#include <cstdlib>
#include <sstream>
#include <vector>

#include "src/base/error.h"

namespace dorabooth {

namespace {

// A whole number within [low, high].
int number_of(const std::string& name, const std::string& text, int low, int high) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const int value = digits ? std::stoi(text) : -1;
  if (!digits || value < low || value > high) {
    throw UsageError(
        concat("the environment variable ", name, " is '", text, "': want ", low, " to ", high));
  }
  return value;
}

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

constexpr int kMostProcesses = 1'000'000;

std::string need(const EnvironmentLookup& lookup, const char* name, int size) {
  if (const auto value = lookup(name)) return *value;
  throw UsageError(concat("the environment variable WORLD_SIZE is ", size, " and ", name,
                          " is missing: start the processes by torchrun, or give each of them "
                          "RANK, WORLD_SIZE and MASTER_ADDR"));
}

}  // namespace

ProcessEnvironment read_process_environment(const EnvironmentLookup& lookup) {
  ProcessEnvironment result;
  const auto size = lookup("WORLD_SIZE");
  if (!size) {
    if (const auto rank = lookup("RANK")) {
      throw UsageError(concat("the environment variable RANK is ", *rank,
                              " and WORLD_SIZE is missing: how many processes are there?"));
    }
    return result;
  }
  result.size = number_of("WORLD_SIZE", *size, 1, kMostProcesses);
  if (result.size == 1) return result;
  result.rank = number_of("RANK", need(lookup, "RANK", result.size), 0, result.size - 1);
  result.master_address = need(lookup, "MASTER_ADDR", result.size);
  if (result.master_address.empty()) {
    throw UsageError("the environment variable MASTER_ADDR is empty");
  }
  if (const auto port = lookup("MASTER_PORT")) {
    result.master_port = number_of("MASTER_PORT", *port, 1, 65535);
  }
  result.local_size = result.size;
  result.local_rank = result.rank;
  if (const auto local_size = lookup("LOCAL_WORLD_SIZE")) {
    result.local_size = number_of("LOCAL_WORLD_SIZE", *local_size, 1, result.size);
  }
  if (const auto local_rank = lookup("LOCAL_RANK")) {
    result.local_rank = number_of("LOCAL_RANK", *local_rank, 0, result.local_size - 1);
  }
  result.launcher_keeps_store = lookup("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  result.restart_count = lookup("TORCHELASTIC_RESTART_COUNT").value_or("0");
  if (const auto seconds = lookup("DORABOOTH_PROCESS_TIMEOUT")) {
    result.timeout =
        std::chrono::seconds(number_of("DORABOOTH_PROCESS_TIMEOUT", *seconds, 1, 1'000'000));
  }
  return result;
}

ProcessEnvironment read_process_environment() { return read_process_environment(variable); }

std::optional<std::string> visible_gpu(const ProcessEnvironment& environment,
                                       const std::optional<std::string>& now) {
  if (environment.local_size == 1) return std::nullopt;
  if (!now) return std::to_string(environment.local_rank);
  std::vector<std::string> gpus;
  std::istringstream list(*now);
  for (std::string gpu; std::getline(list, gpu, ',');) gpus.push_back(gpu);
  if (gpus.size() <= 1) return std::nullopt;
  const auto index = static_cast<size_t>(environment.local_rank);
  if (index >= gpus.size()) {
    throw UsageError(concat("CUDA_VISIBLE_DEVICES names ", gpus.size(),
                            " GPUs, and this is process ", index,
                            " of its machine (LOCAL_RANK), counted from 0"));
  }
  return gpus[index];
}

void show_own_gpu(const ProcessEnvironment& environment, const std::string& device_request) {
  if (device_request != "cuda" && device_request != "auto") return;
  constexpr const char* kName = "CUDA_VISIBLE_DEVICES";
  const auto gpu = visible_gpu(environment, variable(kName));
  if (gpu) setenv(kName, gpu->c_str(), /*overwrite=*/1);
}

}  // namespace dorabooth
