// The processes of one data-parallel run, over LibTorch's c10d: Gloo between CPUs, NCCL between
// GPUs. Where NCCL's object is not there, tensors of a GPU are summed by Gloo over a copy in the
// host's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "src/device/process_environment.h"

namespace dorabooth {

// Every process calls the same functions in the same order, from one thread. Each of them throws an
// Error that begins "process 1 of 2 was lost" or "process 1 of 2 has not answered" where the others
// are gone or silent for longer than the environment's timeout; the group is of no use afterwards.
class ProcessGroup {
 public:
  // Returns once all processes are there, or throws after the timeout. `device` is where the
  // tensors to sum are; null for an environment of one process.
  static std::unique_ptr<ProcessGroup> join(const ProcessEnvironment& environment,
                                            c10::Device device);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const;
  int size() const;
  // What sums tensors: "Gloo", "NCCL", or "Gloo over copies in the host's memory: why".
  const std::string& transport() const;

  // A sum that is under way. The tensor holds it after wait(), which is called once.
  class Sum {
   public:
    Sum();
    ~Sum();
    Sum(Sum&&) noexcept;
    Sum& operator=(Sum&&) noexcept;
    void wait();

   private:
    friend class ProcessGroup;
    struct State;
    std::unique_ptr<State> state_;
  };

  // Replaces the elements of a contiguous tensor, of the same shape and type in all processes, by
  // their sums; the same bits in all of them. Returns at once; nobody touches the tensor until
  // wait().
  Sum begin_sum(const at::Tensor& tensor);
  // Whether any process says so. Waits for all of them without a limit: one may be busy for long.
  bool any(bool value);
  // Waits for all, also without a limit.
  void barrier();
  // Every process's text, by rank; `name` is used once in a run. Without a limit.
  std::vector<std::string> gather(const std::string& name, const std::string& text);

  // What was summed by begin_sum so far, and how long wait() took in all.
  struct Traffic {
    int64_t sums = 0;
    int64_t bytes = 0;
    double seconds_waited = 0;
  };
  const Traffic& traffic() const;

 private:
  struct State;
  explicit ProcessGroup(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace dorabooth
