#include "ui/desktop/widgets/job_line.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "src/base/atomic_file.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/selectable_text.h"

namespace dorabooth {

namespace {

const char* phase_text(JobState::Phase phase) {
  switch (phase) {
    case JobState::Phase::kIdle:
      return "not started";
    case JobState::Phase::kRunning:
      return "running";
    case JobState::Phase::kPaused:
      return "paused";
    case JobState::Phase::kStopping:
      return "stopping after this step";
    case JobState::Phase::kFinished:
      return "finished";
    case JobState::Phase::kStopped:
      return "stopped";
    case JobState::Phase::kFailed:
      return "failed";
  }
  return "";
}

std::string unit_text(const std::string& what) {
  if (what.empty() || what == "train") return "step";
  return what == "merge" ? "tensor" : what;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  char text[40];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

std::string job_text(const JobState& job) {
  std::string text = phase_text(job.phase);
  if (job.active() && job.total > 0) {
    text += ", " + unit_text(job.what) + " " + std::to_string(job.step) + " of " +
            std::to_string(job.total);
    if (job.seconds_per_step > 0) {
      char each[40];
      std::snprintf(each, sizeof(each), ", %.3g s each", job.seconds_per_step);
      text += each;
    }
    if (job.seconds_left > 0) text += ", " + duration_text(job.seconds_left) + " left";
    if (job.memory_mb > 0)
      text += ", " + bytes_text(static_cast<uint64_t>(job.memory_mb * (1 << 20)));
  }
  if (!job.message.empty()) text += ": " + job.message;
  return text;
}

bool draw_what_is_in_the_way(const JobStates& jobs, JobId wanted) {
  const std::string reason = what_is_in_the_way(jobs, wanted);
  if (reason.empty()) return false;
  ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  ImGui::TextWrapped("%s", reason.c_str());
  ImGui::PopStyleColor();
  return true;
}

void draw_job_line(const JobState& job) {
  const bool failed = job.phase == JobState::Phase::kFailed;
  if (failed) ImGui::PushStyleColor(ImGuiCol_Text, error_text_color());
  if (job.message.empty()) {
    ImGui::TextWrapped("%s", job_text(job).c_str());
  } else {
    draw_selectable_text("##job", job_text(job));
  }
  if (failed) ImGui::PopStyleColor();
  if (!job.active()) return;
  const float share =
      job.total > 0 ? static_cast<float>(job.step) / static_cast<float>(job.total) : 0.0F;
  ImGui::ProgressBar(share, {-1, 0.5F * ImGui::GetFontSize()}, "");
}

}  // namespace dorabooth
