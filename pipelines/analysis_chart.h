// The paper's figures of an analysis (Liu et al. 2024): ΔM against ΔD over layers and steps (its
// figure 2), and both by layer, the models side by side (its figures 7 and 8).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipelines/analyze.h"
#include "src/base/log.h"
#include "src/report/chart.h"

namespace dorabooth {

// Ends of files' names and what they show: "-output" the scatter and "-layers-output" the bars over
// the output axis, "-input" and "-layers-input" likewise; those that `request` asks for. Query, key
// and value (by the end of a layer's name; other matrices by their own) have rows of their own, or
// one for all of them with plot_projections together. A kind that a series lacks is left out, which
// is said. The bars show each series' last step. Series with "dora" in their names come last.
std::vector<std::pair<std::string, Chart>> analysis_charts(const AnalyzeReport& report,
                                                           const AnalyzeRequest& request,
                                                           const Log& log);

// "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q" apart: "down.1.0.0.cross" and
// "query".
struct LayerName {
  std::string place;
  std::string kind;
};
LayerName layer_name(const std::string& layer);

}  // namespace dorabooth
