// Which of how many processes this one is, as a launcher says it in the environment: torchrun and
// its kin set RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
// Torch-free, so that programs may read it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace dorabooth {

struct ProcessEnvironment {
  int rank = 0;  // of `size`, from 0
  int size = 1;
  int local_rank = 0;  // among the processes of this machine; the rank where that is not said
  int local_size = 1;
  std::string master_address;  // where the processes meet
  int master_port = 29500;
  // The launcher itself keeps the meeting point (torchrun); otherwise process 0 does.
  bool launcher_keeps_store = false;
  std::string restart_count = "0";  // torchrun's, which separates the meetings after a restart
  // How long a process waits for the others in a step: DORABOOTH_PROCESS_TIMEOUT in seconds.
  std::chrono::seconds timeout = std::chrono::minutes(10);
};

// The value of an environment variable, or nothing.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

// One process without WORLD_SIZE, or where it is 1. Throws UsageError, naming the variable, where
// one is missing or impossible; MASTER_PORT may be missing.
ProcessEnvironment read_process_environment(const EnvironmentLookup& lookup);
// From the environment of this process.
ProcessEnvironment read_process_environment();

// What CUDA_VISIBLE_DEVICES has to be so that this process sees one GPU of its machine, the one
// with its local rank; nothing where it stays as it is: for the machine's only process, or where a
// launcher shows each process one already. Throws UsageError where `now` names too few.
std::optional<std::string> visible_gpu(const ProcessEnvironment& environment,
                                       const std::optional<std::string>& now);
// Sets it where `device_request` (--device) is cuda or auto. Before the CUDA side is opened.
void show_own_gpu(const ProcessEnvironment& environment, const std::string& device_request);

}  // namespace dorabooth
