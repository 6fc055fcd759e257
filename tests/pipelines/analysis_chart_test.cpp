// The figures of an analysis that was made up, with numbers whose correlations are known.
#include "pipelines/analysis_chart.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth::testing::analysis_chart_test {
namespace {

const std::string kBlock = "unet.down_blocks.1.attentions.0.transformer_blocks.";

// ΔM = 1 - 2·ΔD for query, ΔM = 3·ΔD for value by the output axis; ΔM = ΔD by the input axis.
ChangeSeries series_of(const std::string& name, bool has_value) {
  ChangeSeries series;
  series.name = name;
  const auto add = [&](const std::string& layer, int64_t step, double m, double d) {
    series.records.push_back({layer, step, {m, d}, {d, d}});
  };
  for (const int64_t step : {100, 200}) {
    for (int block = 0; block < 2; ++block) {
      const double d = 0.01 * static_cast<double>(block + 1) + 0.001 * static_cast<double>(step);
      const std::string module = kBlock + std::to_string(block) + ".attn1.";
      add(module + "to_q", step, 1 - 2 * d, d);
      if (has_value) add(module + "to_v", step, 3 * d, d);
    }
  }
  return series;
}

AnalyzeReport report_of(bool lora_has_value = true) {
  AnalyzeReport report;
  // As a run's folders come; the paper has LoRA on the left.
  report.series = {series_of("DoRA", true), series_of("LoRA", lora_has_value)};
  return report;
}

Chart chart_of(const AnalyzeReport& report, const AnalyzeRequest& request,
               const std::string& suffix) {
  for (const auto& [name, chart] : analysis_charts(report, request, {})) {
    if (name == suffix) return chart;
  }
  fail("no chart ", suffix);
}

TEST(AnalysisChart, NamesOfLayersSayPlaceAndKind) {
  const auto expect = [](const std::string& layer, const std::string& place,
                         const std::string& kind) {
    EXPECT_EQ(layer_name(layer).place, place);
    EXPECT_EQ(layer_name(layer).kind, kind);
  };
  expect(kBlock + "0.attn2.to_q", "down.1.0.0.cross", "query");
  expect("unet.mid_block.attentions.0.transformer_blocks.3.attn1.to_out.0", "mid.0.3.self",
         "output");
  expect("text_encoder_2.text_model.encoder.layers.11.self_attn.v_proj", "text_encoder_2.11",
         "value");
  expect(kBlock + "0.ff.net.2", "down.1.0.0.ff.net", "2");
  expect("unet.conv_in", "unet", "conv_in");
}

TEST(AnalysisChart, AFigureOfEachKindForEachNormAxisThatIsAskedFor) {
  AnalyzeRequest request;
  std::vector<std::string> names;
  for (const auto& [name, chart] : analysis_charts(report_of(), request, {})) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"-output", "-layers-output", "-input", "-layers-input"}));
  request.norm_axis = "input";
  names.clear();
  for (const auto& [name, chart] : analysis_charts(report_of(), request, {})) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"-input", "-layers-input"}));
}

// The paper's figure 2: ΔD across, ΔM up.
TEST(AnalysisChart, ScattersShowMagnitudeOverDirectionWithTheirRegression) {
  const Chart chart = chart_of(report_of(), {}, "-output");
  // Query, then value; LoRA beside DoRA. Nothing has a key.
  ASSERT_EQ(chart.panels.size(), 4u);
  EXPECT_EQ(chart.columns, 2);
  const ChartPanel& query = chart.panels[1];
  EXPECT_EQ(query.kind, PanelKind::kScatter);
  EXPECT_EQ(query.title, "DoRA, query\ncorrelation \u22121.00, slope \u22122.00");
  EXPECT_EQ(chart.panels[2].title, "LoRA, value\ncorrelation 1.00, slope 3.00");
  EXPECT_EQ(query.x.label, "ΔD");
  EXPECT_EQ(query.y.label, "ΔM");
  ASSERT_TRUE(query.trend.has_value());
  EXPECT_NEAR(query.trend->slope, -2, 1e-9);
  EXPECT_NEAR(query.trend->intercept, 1, 1e-9);
  // A marker for each step, a colour for each layer.
  ASSERT_EQ(query.series.size(), 2u);
  EXPECT_EQ(query.series[0].name, "step 100");
  EXPECT_EQ(query.series[1].name, "step 200");
  EXPECT_EQ(query.series[0].colour_value, (std::vector<double>{0, 1}));
  ASSERT_EQ(query.series[1].x.size(), 2u);
  EXPECT_NEAR(query.series[1].x[1], 0.22, 1e-12);
  EXPECT_NEAR(query.series[1].y[1], 0.56, 1e-12);
  ASSERT_TRUE(chart.colours.has_value());
  EXPECT_EQ(chart.colours->names, (std::vector<std::string>{"down.1.0.0.self", "down.1.0.1.self"}));
  // The other axis has its own numbers.
  EXPECT_EQ(chart_of(report_of(), {}, "-input").panels[1].title,
            "DoRA, query\ncorrelation 1.00, slope 1.00");
}

TEST(AnalysisChart, TogetherPutsAllKindsIntoOnePanel) {
  AnalyzeRequest request;
  request.plot_projections = "together";
  const Chart chart = chart_of(report_of(), request, "-output");
  ASSERT_EQ(chart.panels.size(), 2u);
  EXPECT_EQ(chart.panels[0].series[0].x.size(), 4u);
  EXPECT_EQ(chart.panels[0].title.find("LoRA\ncorrelation"), 0u);
}

TEST(AnalysisChart, BarsStandForTheLastStepWithTheModelsSideBySide) {
  const Chart chart = chart_of(report_of(), {}, "-layers-output");
  ASSERT_EQ(chart.panels.size(), 4u);  // ΔM and ΔD of query, then of value
  const ChartPanel& magnitude = chart.panels[2];
  EXPECT_EQ(magnitude.kind, PanelKind::kBars);
  EXPECT_EQ(magnitude.title, "ΔM, value");
  EXPECT_EQ(magnitude.x.categories,
            (std::vector<std::string>{"down.1.0.0.self", "down.1.0.1.self"}));
  ASSERT_EQ(magnitude.series.size(), 2u);
  EXPECT_EQ(magnitude.series[0].name, "LoRA");
  EXPECT_EQ(magnitude.series[1].name, "DoRA");
  EXPECT_NEAR(magnitude.series[1].y.at(0), 3 * 0.21, 1e-12);
  EXPECT_NEAR(chart.panels[3].series[1].y.at(1), 0.22, 1e-12);
  // Together: the mean of query and value.
  AnalyzeRequest together;
  together.plot_projections = "together";
  const Chart mean = chart_of(report_of(), together, "-layers-output");
  ASSERT_EQ(mean.panels.size(), 2u);
  EXPECT_NEAR(mean.panels[0].series[0].y.at(0), (3 * 0.21 + 1 - 2 * 0.21) / 2, 1e-12);
}

TEST(AnalysisChart, AKindThatASeriesLacksIsLeftOutAndSaid) {
  std::vector<std::string> warnings;
  const Log log([&](LogLevel, const std::string& text) { warnings.push_back(text); });
  const auto charts = analysis_charts(report_of(/*lora_has_value=*/false), {}, log);
  EXPECT_EQ(charts.at(0).second.panels.size(), 2u);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], "the plots leave out value: LoRA does not change it");
}

TEST(AnalysisChart, ManyStepsShareMarkers) {
  AnalyzeReport report;
  ChangeSeries series;
  series.name = "run";
  for (int64_t step = 10; step <= 200; step += 10) {
    const double d = static_cast<double>(step);
    series.records.push_back({kBlock + "0.attn1.to_q", step, {d, d}, {d, d}});
  }
  report.series = {series};
  const Chart chart = chart_of(report, {}, "-output");
  const auto& points = chart.panels.at(0).series;
  EXPECT_LE(points.size(), 7u);
  EXPECT_EQ(points.front().name, "steps 10 to 30");
  EXPECT_EQ(points.back().name, "steps 190 to 200");
  size_t count = 0;
  for (const ChartSeries& one : points) count += one.x.size();
  EXPECT_EQ(count, 20u);
}

TEST(AnalysisChart, LayersAreInTheNetworksOrder) {
  AnalyzeReport report;
  ChangeSeries series;
  series.name = "run";
  for (const int layer : {0, 1, 10, 11, 2}) {
    const std::string name =
        "text_encoder.text_model.encoder.layers." + std::to_string(layer) + ".self_attn.q_proj";
    series.records.push_back({name, -1, {1, 1}, {1, 1}});
  }
  report.series = {series};
  const Chart chart = chart_of(report, {}, "-output");
  EXPECT_EQ(chart.colours->names,
            (std::vector<std::string>{"text_encoder.0", "text_encoder.1", "text_encoder.2",
                                      "text_encoder.10", "text_encoder.11"}));
  // All points are one: there is no correlation and no line.
  EXPECT_EQ(chart.panels[0].title, "run, query\ncorrelation not defined, slope not defined");
  EXPECT_FALSE(chart.panels[0].trend.has_value());
}

}  // namespace
}  // namespace dorabooth::testing::analysis_chart_test
