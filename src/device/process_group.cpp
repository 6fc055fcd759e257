// Processes meet at a TCPStore, as torch.distributed's "env://" has it.
#include "src/device/process_group.h"

#include <ATen/ATen.h>
#include <c10/util/Logging.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>

#include "src/base/error.h"
#include "src/device/collective_backend.h"
#include "src/device/lost_process.h"

namespace dorabooth {

namespace {

using std::chrono::milliseconds;

// For meetings before which one process may work alone, drawing pictures for instance.
constexpr milliseconds kNoLimit = std::chrono::hours(24 * 7);

// What c10d would tell of a lost connection on standard error is in the exception too.
// TORCH_CPP_LOG_LEVEL, which LibTorch reads itself, still shows it.
void silence_c10d() {
  constexpr int kFatal = 3;
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = kFatal;
}

Store open_store(const ProcessEnvironment& environment) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(environment.master_port);
  options.isServer = environment.rank == 0 && !environment.launcher_keeps_store;
  options.numWorkers = static_cast<std::size_t>(environment.size);
  options.waitWorkers = false;
  options.timeout = environment.timeout;
  const Store store = c10::make_intrusive<c10d::TCPStore>(environment.master_address, options);
  const std::string attempt =
      environment.launcher_keeps_store ? environment.restart_count + "/" : "";
  return c10::make_intrusive<c10d::PrefixStore>("dorabooth/" + attempt, store);
}

}  // namespace

struct ProcessGroup::State {
  ProcessEnvironment environment;
  Store store;
  Backend host;    // Gloo
  Backend device;  // NCCL, or null
  std::string transport = "Gloo";
  std::vector<std::string> places;  // of every process
  Traffic traffic;

  // Calls `work` and turns what c10d throws into a sentence.
  template <typename Work>
  auto guarded(Work&& work) const {
    try {
      return work();
    } catch (const std::exception& error) {
      throw Error(lost_process_text(error.what(), environment, places));
    }
  }

  void barrier() const {
    c10d::BarrierOptions options;
    options.timeout = kNoLimit;
    host->barrier(options)->wait(kNoLimit);
  }

  bool any(bool value) const {
    std::vector<at::Tensor> flag = {at::full({1}, value ? 1.0 : 0.0, at::kDouble)};
    c10d::AllreduceOptions options;
    options.timeout = kNoLimit;
    host->allreduce(flag, options)->wait(kNoLimit);
    return flag[0].item<double>() > 0;
  }

  // NCCL in all processes or in none; its first sum connects them.
  void open_nccl(c10::Device where) {
    std::string why_not = "another process has no NCCL";
    device = make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>("nccl", store),
                               environment.rank, environment.size, environment.timeout, &why_not);
    if (any(!device)) {
      device.reset();
      transport = concat("Gloo over copies in the host's memory: ", why_not);
      return;
    }
    transport = "NCCL";
    std::vector<at::Tensor> ones = {at::ones({1}, at::TensorOptions(where))};
    device->allreduce(ones)->wait(environment.timeout);
    const auto sum = ones[0].item<double>();
    if (sum != environment.size) {
      fail("NCCL adds up ", environment.size, " ones to ", sum);
    }
  }

  std::vector<std::string> gather(const std::string& name, const std::string& text) const {
    const auto key = [&](int rank) { return name + "/" + std::to_string(rank); };
    store->set(key(environment.rank), text);
    if (host) barrier();
    std::vector<std::string> texts;
    for (int rank = 0; rank < environment.size; ++rank) {
      texts.push_back(store->get_to_str(key(rank)));
    }
    return texts;
  }
};

struct ProcessGroup::Sum::State {
  ProcessGroup::State* group = nullptr;
  at::Tensor tensor;
  std::vector<at::Tensor> summed;  // the tensor, or its copy in the host's memory
  c10::intrusive_ptr<c10d::Work> work;
};

ProcessGroup::Sum::Sum() = default;
ProcessGroup::Sum::~Sum() = default;
ProcessGroup::Sum::Sum(Sum&&) noexcept = default;
ProcessGroup::Sum& ProcessGroup::Sum::operator=(Sum&&) noexcept = default;

void ProcessGroup::Sum::wait() {
  const std::unique_ptr<State> state = std::move(state_);
  if (!state) return;
  const auto begin = std::chrono::steady_clock::now();
  state->group->guarded([&] { state->work->wait(state->group->environment.timeout); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  state->group->traffic.seconds_waited += seconds.count();
  if (!state->summed[0].is_same(state->tensor)) state->tensor.copy_(state->summed[0]);
}

ProcessGroup::ProcessGroup(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProcessGroup::~ProcessGroup() = default;

std::unique_ptr<ProcessGroup> ProcessGroup::join(const ProcessEnvironment& environment,
                                                 c10::Device device) {
  if (environment.size == 1) return nullptr;
  silence_c10d();
  auto state = std::make_unique<State>();
  state->environment = environment;
  const int rank = environment.rank;
  const int size = environment.size;
  try {
    state->store = open_store(environment);
    state->places = state->gather("place", place_of_this_process());
    state->host = make_gloo_backend(c10::make_intrusive<c10d::PrefixStore>("gloo", state->store),
                                    rank, size, environment.timeout);
    if (device.is_cuda()) state->open_nccl(device);
  } catch (const std::exception& error) {
    fail("process ", rank, " of ", size, " cannot meet the others at ", environment.master_address,
         ":", environment.master_port,
         " (MASTER_ADDR, MASTER_PORT): ", absence_text(error.what(), environment));
  }
  return std::unique_ptr<ProcessGroup>(new ProcessGroup(std::move(state)));
}

int ProcessGroup::rank() const { return state_->environment.rank; }
int ProcessGroup::size() const { return state_->environment.size; }
const std::string& ProcessGroup::transport() const { return state_->transport; }
const ProcessGroup::Traffic& ProcessGroup::traffic() const { return state_->traffic; }

ProcessGroup::Sum ProcessGroup::begin_sum(const at::Tensor& tensor) {
  if (!tensor.is_contiguous()) fail("a sum over processes wants a contiguous tensor");
  Sum sum;
  sum.state_ = std::make_unique<Sum::State>();
  sum.state_->group = state_.get();
  sum.state_->tensor = tensor;
  const bool by_device = tensor.is_cuda() && state_->device;
  const bool by_copy = tensor.is_cuda() && !state_->device;
  sum.state_->summed = {by_copy ? tensor.to(at::kCPU) : tensor};
  const Backend& backend = by_device ? state_->device : state_->host;
  sum.state_->work = state_->guarded([&] { return backend->allreduce(sum.state_->summed); });
  ++state_->traffic.sums;
  state_->traffic.bytes += static_cast<int64_t>(tensor.nbytes());
  return sum;
}

bool ProcessGroup::any(bool value) {
  return state_->guarded([&] { return state_->any(value); });
}

void ProcessGroup::barrier() {
  state_->guarded([&] { state_->barrier(); });
}

std::vector<std::string> ProcessGroup::gather(const std::string& name, const std::string& text) {
  return state_->guarded([&] { return state_->gather(name, text); });
}

}  // namespace dorabooth
