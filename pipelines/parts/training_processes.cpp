// Agreement by texts that every process gives and compares.
#include "pipelines/parts/training_processes.h"

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

using nlohmann::json;

namespace {

// Where a process is, not what it trains.
bool may_differ(const std::string& key) { return key == "device" || key == "output_dir"; }

// The rank of the first process whose text differs from the first one's; 0 if none does.
size_t first_other(const std::vector<std::string>& texts) {
  for (size_t rank = 1; rank < texts.size(); ++rank) {
    if (texts[rank] != texts[0]) return rank;
  }
  return 0;
}

std::string settings_text(const TrainConfig& config) {
  json settings = train_fields().to_json(&config);
  for (auto item = settings.begin(); item != settings.end();) {
    item = may_differ(item.key()) ? settings.erase(item) : std::next(item);
  }
  return settings.dump();
}

void require_same_settings(ProcessGroup& group, const TrainConfig& config) {
  const auto texts = group.gather("settings", settings_text(config));
  const size_t other = first_other(texts);
  if (other == 0) return;
  const json first = json::parse(texts[0]);
  const json its = json::parse(texts[other]);
  for (const auto& [key, value] : first.items()) {
    const json same = its.contains(key) ? its.at(key) : json();
    if (same != value) {
      fail("process ", other, " was started with ", key, " = ", same.dump(), ", process 0 with ",
           value.dump(), ": all processes of a run want the same settings");
    }
  }
  fail("process ", other, " is another version of this program than process 0");
}

}  // namespace

void TrainingProcesses::join(const TrainConfig& config, const Device& device, const Log& log) {
  group_ = ProcessGroup::join(environment_, torch_device(device));
  if (!group_) return;
  require_same_settings(*group_, config);
  require_same("device", device.kind == Device::Kind::kCpu ? "cpu" : "cuda");
  log.info(concat(size(), " processes train together over ", group_->transport(), ": ",
                  size() * config.train_batch_size, " rows a micro-batch"));
}

void TrainingProcesses::meet() const {
  if (group_) group_->barrier();
}

bool TrainingProcesses::same(const std::string& what, const std::string& text) const {
  return !group_ || first_other(group_->gather(what, text)) == 0;
}

void TrainingProcesses::require_same(const std::string& what, const std::string& text) const {
  if (!group_) return;
  const auto texts = group_->gather(what, text);
  const size_t other = first_other(texts);
  if (other == 0) return;
  const bool short_ones = texts[0].size() + texts[other].size() < 40;
  fail("process ", other, " has another ", what, " than process 0",
       short_ones ? concat(": ", texts[other], ", not ", texts[0]) : "");
}

std::vector<RowSpan> TrainingProcesses::rows_of(const TrainingBatch& part,
                                                int64_t batch_size) const {
  const TrainingBatch& rows = part.of_class ? *part.of_class : part;
  const int64_t first = rank() * batch_size;
  const int64_t of_class = rows.rows() - rows.instance_rows;
  std::vector<RowSpan> spans;
  if (rows.instance_rows > 0) spans.push_back({first, rows.instance_rows, 0});
  if (of_class > 0) spans.push_back({first, of_class, 1});
  return spans;
}

std::vector<TrainingBatch> parts_of(const TrainingBatch& batch) {
  std::vector<TrainingBatch> parts = {batch};
  parts[0].of_class = nullptr;
  if (batch.of_class) {
    parts.emplace_back();
    parts[1].of_class = batch.of_class;
  }
  return parts;
}

void TrainingProcesses::report(const Log& log) const {
  if (!group_) return;
  const ProcessGroup::Traffic& traffic = group_->traffic();
  if (traffic.sums == 0) return;
  log.info(concat("exchanged with the other processes: ", traffic.sums, " sums of gradients, ",
                  bytes_text(static_cast<uint64_t>(traffic.bytes / traffic.sums)), " each; ",
                  traffic.seconds_waited, " s of waiting in all"));
}

void TrainingProcesses::require_same_start(const RunFacts& facts, int64_t first_step,
                                           const Trainers& trainers) const {
  if (!group_) return;
  require_same("set of training pictures", facts.pictures);
  require_same("number of steps behind it", std::to_string(first_step));
  for (const auto& trainer : trainers)
    require_same("start of " + trainer->name(), trainer->digest());
}

void TrainingProcesses::end_together(const Trainers& trainers, const Log& log) const {
  if (!group_) return;
  for (const auto& trainer : trainers) {
    if (same("end of " + trainer->name(), trainer->digest())) continue;
    log.warning(concat("the processes' copies of ", trainer->name(),
                       " have drifted apart in their last bits: their processors or GPUs compute "
                       "differently; process 0's is saved"));
  }
  report(log);
  group_->barrier();
}

void OtherProcessProgress::on(const Event& event) {
  const auto* log = std::get_if<LogEvent>(&event);
  if (log != nullptr && log->level == LogLevel::kWarning) {
    progress_.on(LogEvent{log->level, label_ + log->text});
  }
}

}  // namespace dorabooth
