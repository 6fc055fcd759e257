// What launchers set, and what is said where it is incomplete or impossible.
#include "src/device/process_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::process_environment_test {
namespace {

using testing::message_of;
using Variables = std::map<std::string, std::string>;

ProcessEnvironment read(const Variables& variables) {
  return read_process_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(ProcessEnvironment, IsOneProcessWithoutAWorldSize) {
  EXPECT_EQ(read({}).size, 1);
  EXPECT_EQ(read({{"WORLD_SIZE", "1"}}).size, 1);
  EXPECT_EQ(read({{"WORLD_SIZE", "1"}, {"RANK", "0"}}).rank, 0);
}

TEST(ProcessEnvironment, ReadsWhatAnyLauncherSets) {
  const ProcessEnvironment environment =
      read({{"RANK", "2"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "10.0.0.1"}});
  EXPECT_EQ(environment.rank, 2);
  EXPECT_EQ(environment.size, 4);
  EXPECT_EQ(environment.local_rank, 2);
  EXPECT_EQ(environment.local_size, 4);
  EXPECT_EQ(environment.master_address, "10.0.0.1");
  EXPECT_EQ(environment.master_port, 29500);
  EXPECT_FALSE(environment.launcher_keeps_store);
  EXPECT_EQ(environment.timeout, std::chrono::minutes(10));
}

TEST(ProcessEnvironment, ReadsWhatTorchrunSets) {
  const ProcessEnvironment environment = read({{"RANK", "3"},
                                               {"WORLD_SIZE", "4"},
                                               {"LOCAL_RANK", "1"},
                                               {"LOCAL_WORLD_SIZE", "2"},
                                               {"MASTER_ADDR", "localhost"},
                                               {"MASTER_PORT", "4711"},
                                               {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                               {"TORCHELASTIC_RESTART_COUNT", "2"},
                                               {"DORABOOTH_PROCESS_TIMEOUT", "30"}});
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.local_size, 2);
  EXPECT_EQ(environment.master_port, 4711);
  EXPECT_TRUE(environment.launcher_keeps_store);
  EXPECT_EQ(environment.restart_count, "2");
  EXPECT_EQ(environment.timeout, std::chrono::seconds(30));
}

TEST(ProcessEnvironment, NamesTheVariableThatIsMissingOrImpossible) {
  const Variables whole = {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "localhost"}};
  const auto said = [&](const std::string& name, const std::string& value) {
    Variables variables = whole;
    value.empty() ? static_cast<void>(variables.erase(name))
                  : static_cast<void>(variables[name] = value);
    EXPECT_THROW(read(variables), UsageError) << name << "=" << value;
    return message_of([&] { read(variables); });
  };
  EXPECT_EQ(said("WORLD_SIZE", ""),
            "the environment variable RANK is 1 and WORLD_SIZE is missing: how many processes are "
            "there?");
  EXPECT_EQ(said("RANK", ""),
            "the environment variable WORLD_SIZE is 2 and RANK is missing: start the processes by "
            "torchrun, or give each of them RANK, WORLD_SIZE and MASTER_ADDR");
  EXPECT_NE(said("MASTER_ADDR", "").find("MASTER_ADDR is missing"), std::string::npos);
  EXPECT_EQ(said("RANK", "2"), "the environment variable RANK is '2': want 0 to 1");
  EXPECT_EQ(said("RANK", "-1"), "the environment variable RANK is '-1': want 0 to 1");
  for (const auto& [name, value] : Variables{{"WORLD_SIZE", "two"},
                                             {"WORLD_SIZE", "0"},
                                             {"MASTER_PORT", "70000"},
                                             {"LOCAL_WORLD_SIZE", "3"},
                                             {"LOCAL_RANK", "2"},
                                             {"DORABOOTH_PROCESS_TIMEOUT", "0"}}) {
    EXPECT_NE(said(name, value).find(name + " is '" + value + "'"), std::string::npos);
  }
}

TEST(VisibleGpu, IsTheOneWithTheLocalRankWhereAProcessSeesSeveral) {
  ProcessEnvironment environment;
  environment.size = environment.local_size = 2;
  environment.rank = environment.local_rank = 1;
  EXPECT_EQ(visible_gpu(environment, std::nullopt), "1");
  EXPECT_EQ(visible_gpu(environment, "4,6"), "6");
  EXPECT_EQ(visible_gpu(environment, "GPU-12ab"), std::nullopt) << "the launcher chose";
  environment.local_size = 3;
  environment.local_rank = 2;
  EXPECT_EQ(message_of([&] { visible_gpu(environment, "4,6"); }),
            "CUDA_VISIBLE_DEVICES names 2 GPUs, and this is process 2 of its machine (LOCAL_RANK), "
            "counted from 0");
  environment.local_size = 1;
  environment.local_rank = 0;
  EXPECT_EQ(visible_gpu(environment, std::nullopt), std::nullopt) << "the machine's only process";
}

}  // namespace
}  // namespace dorabooth::process_environment_test
