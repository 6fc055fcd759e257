// One training by two processes of the program: the adapters of one process with the doubled batch,
// stops, lost processes, settings that differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <regex>

#include "src/imagefile/image_file.h"
#include "src/tensorfile/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/free_port.h"

namespace dorabooth::testing::processes_e2e_test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

// A twin run with dropout, small enough that a step takes a fraction of a second. AdamW with its
// usual epsilon would make a whole step of what rounding leaves where a gradient is zero.
Words training(const fs::path& out, const Words& more) {
  Words words = {"train",
                 "--config",
                 "configs/style_small.json",
                 "--resolution",
                 "64",
                 "--device",
                 "cpu",
                 "--max_train_samples",
                 "5",
                 "--lr_scheduler",
                 "constant",
                 "--adam_epsilon",
                 "1e-3",
                 "--lora_dropout",
                 "0.2",
                 "--validation_steps",
                 "100000",
                 "--output_dir",
                 out.string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class Processes : public ::testing::Test {
 protected:
  Variables variables(int rank) const {
    return {{"RANK", std::to_string(rank)},
            {"WORLD_SIZE", "2"},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", port_},
            {"DORABOOTH_PROCESS_TIMEOUT", timeout_}};
  }
  void start(const Words& words) { start(words, words); }
  void start(const Words& first, const Words& second) {
    port_ = std::to_string(free_port());
    programs_[0] = std::make_unique<Program>(first, variables(0));
    programs_[1] = std::make_unique<Program>(second, variables(1));
  }
  std::array<Outcome, 2> wait() { return {programs_[0]->wait(), programs_[1]->wait()}; }
  // Both end well; what the first one told.
  Outcome run_both(const Words& words) {
    start(words);
    const auto [first, second] = wait();
    EXPECT_EQ(first.status, 0) << first.errors;
    EXPECT_EQ(second.status, 0) << second.errors;
    EXPECT_EQ(second.errors, "") << "the other process is quiet";
    EXPECT_EQ(second.out, "");
    return first;
  }
  bool wait_for(const fs::path& path) {
    return wait_until([&] { return fs::exists(path); }, *programs_[0], std::chrono::seconds(120));
  }

  TemporaryFolder folder_;
  const fs::path out_ = folder_.path() / "out";
  std::string port_;
  std::string timeout_ = "60";
  std::array<std::unique_ptr<Program>, 2> programs_;
};

std::vector<float> floats(const SafetensorsFile& file, const TensorEntry& entry) {
  std::vector<float> values(entry.bytes() / sizeof(float));
  std::memcpy(values.data(), file.data(entry), entry.bytes());
  return values;
}

double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

struct Difference {
  double largest = 0.0;   // of a tensor, as a fraction of its norm
  double together = 0.0;  // of all B, which begin at 0
};

// Adam divides by a gradient's own size: where that is next to nothing, its rounding alone moves a
// number by a part of the learning rate. So a tensor may differ by more than all of them together.
Difference difference(const fs::path& one, const fs::path& two) {
  const SafetensorsFile a(one);
  const SafetensorsFile b(two);
  EXPECT_EQ(a.entries().size(), b.entries().size());
  Difference result;
  double error = 0;
  double whole = 0;
  for (const TensorEntry& entry : a.entries()) {
    std::vector<float> left = floats(a, entry);
    const std::vector<float> right = floats(b, b.at(entry.name));
    const double size = norm(left);
    for (size_t i = 0; i < left.size(); ++i) left[i] -= right[i];
    EXPECT_GT(size, 0) << entry.name << " was not trained";
    result.largest = std::max(result.largest, norm(left) / size);
    if (entry.name.find(".up.") == std::string::npos) continue;
    error += norm(left) * norm(left);
    whole += size * size;
  }
  EXPECT_GT(whole, 0);
  result.together = std::sqrt(error / whole);
  return result;
}

constexpr const char* kAdapter = "pytorch_lora_weights.safetensors";

std::vector<nlohmann::json> metrics(const fs::path& out) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(file_text(out / "metrics.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

void expect_same_run(const fs::path& one, const fs::path& two) {
  for (const char* name : {"lora", "dora"}) {
    const Difference apart = difference(one / name / kAdapter, two / name / kAdapter);
    EXPECT_LT(apart.together, 1e-4) << name;
    EXPECT_LT(apart.largest, 1e-3) << name;
  }
  const auto left = metrics(one);
  const auto right = metrics(two);
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    for (const char* name : {"lora", "dora"}) {
      const double loss = left[i]["loss"][name];
      EXPECT_NEAR(loss, right[i]["loss"][name].get<double>(), 1e-4 * loss) << "step " << i + 1;
    }
  }
}

TEST_F(Processes, TwoGiveTheAdaptersOfOneWithTheDoubledBatch) {
  const Words common = {"--gradient_accumulation_steps", "2", "--max_train_steps", "3"};
  Words each = common;
  each.insert(each.end(), {"--train_batch_size", "1"});
  Words doubled = common;
  doubled.insert(doubled.end(), {"--train_batch_size", "2"});
  const Outcome first = run_both(training(out_ / "two", each));
  const Outcome one = run(training(out_ / "one", doubled));
  ASSERT_EQ(one.status, 0) << one.errors;
  expect_same_run(out_ / "one", out_ / "two");
  EXPECT_EQ(first.errors.find("warning"), std::string::npos) << first.errors;
  // One sum a trainer and step, of what trains alone.
  std::smatch match;
  const std::regex traffic("(\\d+) sums of gradients, ([0-9.]+) kB each");
  ASSERT_TRUE(std::regex_search(first.errors, match, traffic)) << first.errors;
  EXPECT_EQ(match[1], "6");
  const auto state =
      nlohmann::json::parse(file_text(out_ / "two/checkpoint-3/training_state.json"));
  EXPECT_EQ(state["environment"]["processes"], 2);
  uint64_t numbers = 0;
  for (const char* name : {"lora", "dora"}) {
    const SafetensorsFile file(out_ / "two" / name / kAdapter);
    for (const TensorEntry& entry : file.entries()) numbers += entry.bytes() / sizeof(float);
  }
  const double kilobytes = static_cast<double>(numbers) * sizeof(float) / 1000 / 2;
  EXPECT_NEAR(std::stod(match[2]), kilobytes, 0.02 * kilobytes);
}

void write_picture(const fs::path& path, int width, int height, size_t tone) {
  Image picture(width, height);
  for (size_t i = 0; i < picture.rgb_hwc.size(); ++i)
    picture.rgb_hwc[i] = static_cast<uint8_t>(i * tone % 251);
  std::ofstream(path, std::ios::binary) << encode_png(picture);
}

// Class pictures beside the others, and sizes with a picture each: in some batches a process has no
// row.
TEST_F(Processes, ShortBatchesAndClassPicturesAreWeightedAsInOneProcess) {
  const fs::path pictures = folder_.path() / "pictures";
  fs::create_directories(pictures);
  for (const size_t tone : {1, 2, 3})
    write_picture(pictures / (std::to_string(tone) + ".png"), 64, 64, tone);
  write_picture(pictures / "wide.png", 96, 48, 5);
  write_picture(pictures / "tall.png", 48, 96, 7);
  const Words common = {"--instance_data_dir",
                        pictures.string(),
                        "--instance_prompt",
                        "a sks icon",
                        "--max_train_steps",
                        "6",
                        "--with_prior_preservation",
                        "--class_data_dir",
                        "assets/pictures/heldout",
                        "--class_prompt",
                        "an icon",
                        "--num_class_images",
                        "3",
                        "--enable_bucket",
                        "--bucket_reso_steps",
                        "16",
                        "--min_bucket_reso",
                        "32"};
  Words each = common;
  each.insert(each.end(), {"--train_batch_size", "2"});
  Words doubled = common;
  doubled.insert(doubled.end(), {"--train_batch_size", "4"});
  run_both(training(out_ / "two", each));
  const Outcome one = run(training(out_ / "one", doubled));
  ASSERT_EQ(one.status, 0) << one.errors;
  expect_same_run(out_ / "one", out_ / "two");
}

TEST_F(Processes, AResumedRunEndsInTheSameBytesAndKeepsItsRows) {
  const Words each = {"--train_batch_size", "1", "--disk_cache_dir",
                      (folder_.path() / "cache").string(), "--max_train_steps"};
  const auto steps = [&](const char* count, const Words& more = {}) {
    Words words = each;
    words.emplace_back(count);
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  run_both(training(out_ / "whole", steps("4")));
  run_both(training(out_ / "cut", steps("2")));
  const Words resume = {"--resume_from_checkpoint", "latest"};
  run_both(training(out_ / "cut", steps("4", resume)));
  for (const char* name : {"lora", "dora"}) {
    EXPECT_TRUE(file_text(out_ / "whole" / name / kAdapter) ==
                file_text(out_ / "cut" / name / kAdapter))
        << name;
  }
  const Outcome fewer = run(training(out_ / "cut", steps("6", resume)));
  EXPECT_EQ(fewer.status, 1);
  EXPECT_NE(fewer.errors.find("2 x train_batch_size 1 rows a micro-batch (processes x rows of "
                              "each), this run asks for 1 x 1"),
            std::string::npos)
      << fewer.errors;
  Words same_rows = steps("6", resume);
  same_rows[1] = "2";
  const Outcome alone = run(training(out_ / "cut", same_rows));
  EXPECT_EQ(alone.status, 0) << alone.errors;
  EXPECT_NE(alone.errors.find("processes was 2 and is now 1, so the bits may differ"),
            std::string::npos)
      << alone.errors;
}

TEST_F(Processes, AStopOfOneStopsBothAfterTheSameStepWithACheckpoint) {
  for (const size_t told : {size_t{0}, size_t{1}}) {
    const fs::path out = out_ / std::to_string(told);
    start(training(out, {"--max_train_steps", "5000", "--train_batch_size", "1"}));
    ASSERT_TRUE(wait_until([&] { return metrics(out).size() >= 2; }, *programs_[0],
                           std::chrono::seconds(120)));
    programs_[told]->send(SIGTERM);
    const auto [first, second] = wait();
    EXPECT_EQ(first.status, 1);
    EXPECT_EQ(second.status, 1);
    const std::string steps = std::to_string(metrics(out).size());
    EXPECT_NE(first.out.find("stopped after " + steps + " steps"), std::string::npos) << first.out;
    EXPECT_EQ(second.out, "");
    EXPECT_TRUE(fs::exists(out / ("checkpoint-" + steps) / "training_state.json"));
  }
}

TEST_F(Processes, ALostProcessEndsTheOtherWithASentenceAndTheCheckpointKept) {
  for (const size_t lost : {size_t{1}, size_t{0}}) {
    const fs::path out = out_ / std::to_string(lost);
    start(training(out, {"--max_train_steps", "5000", "--train_batch_size", "1",
                         "--checkpointing_steps", "2"}));
    ASSERT_TRUE(wait_for(out / "checkpoint-4"));
    programs_[lost]->send(SIGKILL);
    const auto outcomes = wait();
    EXPECT_EQ(outcomes[lost].status, -SIGKILL);
    const Outcome& left = outcomes[1 - lost];
    EXPECT_EQ(left.status, 1);
    const std::regex sentence(
        lost == 1 ? "\ndorabooth train: process 1 of 2 was lost; \\S+/checkpoint-\\d+ is kept\n$"
                  : "^dorabooth train: \\[process 1\\] process 0 of 2 was lost; "
                    "\\S+/checkpoint-\\d+ is kept\n$");
    EXPECT_TRUE(std::regex_search(left.errors, sentence)) << left.errors;
    EXPECT_TRUE(fs::exists(out / "checkpoint-4" / "training_state.json"));
  }
}

TEST_F(Processes, ASilentProcessEndsTheOtherAfterTheTimeout) {
  timeout_ = "2";
  start(training(out_, {"--max_train_steps", "5000", "--train_batch_size", "1"}));
  ASSERT_TRUE(wait_until([&] { return metrics(out_).size() >= 2; }, *programs_[0],
                         std::chrono::seconds(120)));
  programs_[1]->send(SIGSTOP);
  const Outcome first = programs_[0]->wait();
  programs_[1]->send(SIGKILL);
  EXPECT_EQ(first.status, 1);
  EXPECT_NE(first.errors.find("process 1 of 2 has not answered for 2 s "
                              "(DORABOOTH_PROCESS_TIMEOUT); no checkpoint was written yet\n"),
            std::string::npos)
      << first.errors;
}

TEST_F(Processes, SettingsThatDifferAreNamed) {
  start(training(out_, {"--rank", "4"}), training(out_, {"--rank", "2"}));
  const auto [first, second] = wait();
  EXPECT_EQ(first.status, 1);
  EXPECT_EQ(second.status, 1);
  const std::string said =
      "process 1 was started with rank = 2, process 0 with 4: all processes of "
      "a run want the same settings\n";
  EXPECT_EQ(first.errors, "dorabooth train: " + said);
  EXPECT_EQ(second.errors, "dorabooth train: [process 1] " + said);
}

TEST_F(Processes, AnIncompleteEnvironmentIsBadUsage) {
  Program program(training(out_, {}), Variables{{"WORLD_SIZE", "2"}, {"RANK", "0"}});
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.errors.find("MASTER_ADDR is missing"), std::string::npos) << outcome.errors;
}

TEST_F(Processes, NobodyElseThereIsOneSentence) {
  timeout_ = "1";
  port_ = std::to_string(free_port());
  for (const int rank : {0, 1}) {
    const Outcome outcome = Program(training(out_, {}), variables(rank)).wait();
    EXPECT_EQ(outcome.status, 1);
    const std::string start =
        "process " + std::to_string(rank) + " of 2 cannot meet the others at 127.0.0.1:" + port_;
    EXPECT_NE(outcome.errors.find(start), std::string::npos) << outcome.errors;
    if (rank == 0) {
      EXPECT_NE(outcome.errors.find("process 1 has not come within 1 s"), std::string::npos)
          << outcome.errors;
    }
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }
}

}  // namespace
}  // namespace dorabooth::testing::processes_e2e_test
