// How far a job is, in one line with a bar.
#pragma once

#include "ui/desktop/job_state.h"

namespace dorabooth {

// "0:07", "12:30", "3:05:00"
std::string duration_text(double seconds);
// "running, step 40 of 150, 0.31 s each, 0:34 left, 1.9 GB"
std::string job_text(const JobState& job);

void draw_job_line(const JobState& job);

// Why the job cannot start now; true if another one is in its way.
bool draw_what_is_in_the_way(const JobStates& jobs, JobId wanted);

}  // namespace dorabooth
