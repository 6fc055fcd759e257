// The twin run: each adapter is, byte for byte, the one trained alone.
#include <cstring>

#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_twin_test {
namespace {

// By the header of the file: the sizes of its magnitude vectors, added up.
int64_t number_of_magnitudes(const std::string& file) {
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  int64_t count = 0;
  const nlohmann::json header = nlohmann::json::parse(file.substr(8, length));
  for (const auto& [name, entry] : header.items()) {
    if (name.find("magnitude") != std::string::npos) count += entry["shape"][0].get<int64_t>();
  }
  return count;
}

class TrainingTwin : public TrainingTest {
 protected:
  // Trains both at once and each alone, and compares files and losses.
  void expect_each_as_if_alone() {
    config_.adapter = {"both"};
    train_into("both", config_);
    const auto twin = metrics("both");
    for (const char* kind : {"lora", "dora"}) {
      TrainConfig alone = config_;
      alone.adapter = {kind};
      train_into(kind, alone);
      EXPECT_EQ(adapter_bytes(std::string("both/") + kind), adapter_bytes(kind)) << kind;
      const auto lines = metrics(kind);
      ASSERT_EQ(lines.size(), twin.size());
      for (size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(lines[i]["loss"][kind], twin[i]["loss"][kind]);
        EXPECT_EQ(lines[i]["grad_norm"][kind], twin[i]["grad_norm"][kind]);
      }
    }
    EXPECT_NE(adapter_bytes("both/lora"), adapter_bytes("both/dora"));
  }
};

TEST_F(TrainingTwin, EachAdapterIsTheOneTrainedAlone) { expect_each_as_if_alone(); }

TEST_F(TrainingTwin, AlsoWithDropoutAndAccumulation) {
  config_.lora_dropout = 0.2;
  config_.gradient_accumulation_steps = 2;
  config_.max_train_steps = 3;
  config_.max_grad_norm = 0.01;
  expect_each_as_if_alone();
}

TEST_F(TrainingTwin, AlsoWithTextEncoders) {
  config_.train_text_encoder = true;
  config_.lora_dropout = 0.1;
  config_.max_train_steps = 3;
  expect_each_as_if_alone();
}

TEST_F(TrainingTwin, TheOrderOfTheAdaptersChangesNothing) {
  config_.train_text_encoder = true;
  config_.max_train_steps = 2;
  config_.adapter = {"lora", "dora:rank=3"};
  train_into("one", config_);
  config_.adapter = {"dora:rank=3", "lora"};
  train_into("other", config_);
  for (const char* kind : {"/lora", "/dora"}) {
    EXPECT_EQ(adapter_bytes(std::string("one") + kind), adapter_bytes(std::string("other") + kind));
  }
}

// One trains text encoders, the other sees the frozen ones.
TEST_F(TrainingTwin, TargetModulesAreEachAdaptersOwn) {
  config_.max_train_steps = 2;
  config_.adapter = {"lora:target_modules=to_q", "dora:target_modules=*"};
  train_into("both", config_);
  for (const std::string& one : std::vector<std::string>(config_.adapter)) {
    const std::string kind = one.substr(0, 4);
    config_.adapter = {one};
    train_into(kind, config_);
    EXPECT_EQ(adapter_bytes("both/" + kind), adapter_bytes(kind));
  }
  EXPECT_EQ(adapter_bytes("lora").find("text_encoder.text_model"), std::string::npos);
  EXPECT_EQ(adapter_bytes("lora").find("to_k."), std::string::npos);
  EXPECT_NE(adapter_bytes("dora").find("text_encoder.text_model"), std::string::npos);
}

TEST_F(TrainingTwin, AnAdapterWithARateOfItsOwnIsTheOneOfARunAtThatRate) {
  config_.lr_scheduler = "polynomial";
  config_.lr_warmup_steps = 1;
  config_.adapter = {"lora", "dora:rank=2,learning_rate=5e-3,name=fast"};
  const TrainReport report = train_into("both", config_);
  EXPECT_EQ(report.adapters.at(1).name, "fast");
  EXPECT_EQ(report.adapters.at(1).parameters - report.adapters.at(0).parameters,
            number_of_magnitudes(bytes("both/fast/pytorch_lora_weights.safetensors")));
  const auto lines = metrics("both");
  EXPECT_DOUBLE_EQ(lines[1]["lr_of_adapter"]["fast"].get<double>(), 5e-3);
  EXPECT_DOUBLE_EQ(lines[1]["lr"].get<double>(), 1e-3);
  EXPECT_FALSE(lines[1]["lr_of_adapter"].contains("lora"));
  TrainConfig alone = config_;
  alone.learning_rate = 5e-3;
  alone.adapter = {"dora"};
  train_into("alone", alone);
  EXPECT_EQ(adapter_bytes("both/fast"), adapter_bytes("alone"));
}

TEST_F(TrainingTwin, NamesAndRatesThatCannotBeAreRefused) {
  const auto complaint = [&](std::vector<std::string> adapters) {
    config_.adapter = std::move(adapters);
    return message_of([&] { train_into("refused", config_); });
  };
  EXPECT_NE(complaint({"lora:name=a/b"}).find("'a/b'"), std::string::npos);
  EXPECT_NE(complaint({"lora:name=base"}).find("'base'"), std::string::npos);
  EXPECT_NE(complaint({"lora:name=x", "dora:name=x"}).find("'x'"), std::string::npos);
  EXPECT_NE(complaint({"lora:learning_rate=0"}).find("above 0"), std::string::npos);
  EXPECT_NE(complaint({"lora:learning_rate=1e-3x"}).find("'1e-3x'"), std::string::npos);
}

TEST_F(TrainingTwin, TwoOfOneKindHaveFoldersOfTheirOwn) {
  config_.max_train_steps = 1;
  config_.adapter = {"lora:rank=1", "lora:rank=2"};
  const TrainReport report = train_into("two", config_);
  ASSERT_EQ(report.adapters.size(), 2u);
  EXPECT_EQ(report.adapters[0].name, "lora");
  EXPECT_EQ(report.adapters[1].name, "lora2");
  EXPECT_NE(adapter_bytes("two/lora"), adapter_bytes("two/lora2"));
  EXPECT_EQ(metrics("two").at(0)["loss"].size(), 2u);
}

}  // namespace
}  // namespace dorabooth::testing::training_twin_test
