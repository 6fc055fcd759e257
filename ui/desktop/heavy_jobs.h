// A training, a comparison and what works on whole models each want the memory or every core: one
// of them at a time.
#pragma once

#include <string>

#include "ui/desktop/job_state.h"

namespace dorabooth {

constexpr JobId kHeavyJobs[] = {JobId::kTrain, JobId::kCompare, JobId::kMerge, JobId::kConvert,
                                JobId::kAnalyze};

bool is_heavy(JobId job);
bool any_heavy_active(const JobStates& jobs);

// Which other heavy job runs and what can be done about it, in a sentence; "" if `wanted` may
// start.
std::string what_is_in_the_way(const JobStates& jobs, JobId wanted);

// What becomes of each heavy job that runs if it is stopped, a sentence each, a line each.
std::string what_a_stop_means(const JobStates& jobs);

}  // namespace dorabooth
