// The files at the end of a sweep. Internal to pipelines/sweep.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipelines/sweep.h"
#include "src/report/chart.h"

namespace dorabooth {

// The change of the held-out loss against the base, in percent, with the spread over the seeds.
// Over the first setting that varies and is a number, a line an adapter; where none is, bars. A
// panel for each combination of the other settings.
Chart sweep_chart(const std::vector<SweepRow>& rows);

// results.csv, results.json, table.md, plot.png and plot.svg in `folder`; their paths.
std::vector<std::string> write_sweep_files(const std::filesystem::path& folder,
                                           const SweepReport& report);

}  // namespace dorabooth
