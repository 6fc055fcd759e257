// One maker per sampler file; make_scheduler is their only caller. The config is already resolved
// for the sampler's class.
#pragma once

#include <memory>

#include "src/scheduler/scheduler.h"

namespace dorabooth {

std::unique_ptr<Scheduler> make_ddim(SchedulerConfig config, double eta);
std::unique_ptr<Scheduler> make_ddpm(SchedulerConfig config);
std::unique_ptr<Scheduler> make_euler(SchedulerConfig config);
std::unique_ptr<Scheduler> make_euler_ancestral(SchedulerConfig config);
std::unique_ptr<Scheduler> make_heun(SchedulerConfig config);
std::unique_ptr<Scheduler> make_dpm_solver_multistep(SchedulerConfig config);
std::unique_ptr<Scheduler> make_dpm_solver_singlestep(SchedulerConfig config);
std::unique_ptr<Scheduler> make_unipc(SchedulerConfig config);
std::unique_ptr<Scheduler> make_pndm(SchedulerConfig config);
std::unique_ptr<Scheduler> make_lms(SchedulerConfig config);
std::unique_ptr<Scheduler> make_lcm(SchedulerConfig config);

}  // namespace dorabooth
