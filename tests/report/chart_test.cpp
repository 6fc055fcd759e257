// What a chart shows is read back from the SVG and the PNG; where it should be is computed here
// from the axes that are seen in the picture.
#include "src/report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/report/svg_paths.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::chart_test {
namespace {

namespace fs = std::filesystem;

const std::string kBlue = "rgb(0%,44.705882%,69.803922%)";    // Okabe and Ito's #0072b2
const std::string kOrange = "rgb(83.529412%,36.862745%,0%)";  // #d55e00

fs::path font() { return source_dir() / "assets" / "fonts" / "DejaVuSans.ttf"; }
std::string svg_of(const Chart& chart) { return draw_chart(chart, font(), ChartFormat::kSvg); }

ChartPanel panel_of(PanelKind kind, const std::vector<ChartSeries>& series) {
  ChartPanel panel;
  panel.kind = kind;
  panel.title = "a panel";
  panel.x.label = "across";
  panel.y.label = "up";
  panel.series = series;
  return panel;
}

ChartSeries series_of(const std::string& name, std::vector<double> x, std::vector<double> y) {
  ChartSeries series;
  series.name = name;
  series.x = std::move(x);
  series.y = std::move(y);
  return series;
}

Chart chart_of(const std::vector<ChartPanel>& panels) {
  Chart chart;
  chart.panels = panels;
  return chart;
}

// The axes' own line: down the left end, then along the bottom.
std::vector<SvgPath> plots_in(const std::vector<SvgPath>& paths) {
  std::vector<SvgPath> plots;
  for (const SvgPath& path : paths) {
    const bool is_corner = path.fill == "none" && path.x.size() == 3 && path.x[0] == path.x[1] &&
                           path.y[1] == path.y[2];
    if (is_corner) plots.push_back(path);
  }
  return plots;
}

bool is_inside(const SvgPath& path, const SvgPath& plot) {
  return path.centre_x() >= plot.left() && path.centre_x() <= plot.right() &&
         path.centre_y() >= plot.top() && path.centre_y() <= plot.bottom();
}

std::vector<SvgPath> filled(const std::vector<SvgPath>& paths, const std::string& colour,
                            const SvgPath& plot) {
  std::vector<SvgPath> found;
  for (const SvgPath& path : paths) {
    if (path.fill == colour && is_inside(path, plot)) found.push_back(path);
  }
  return found;
}

double across(const SvgPath& plot, double share) {
  return plot.left() + share * (plot.right() - plot.left());
}
double up(const SvgPath& plot, double share) {
  return plot.bottom() - share * (plot.bottom() - plot.top());
}

TEST(Chart, PointsLieWhereTheAxesSay) {
  ChartPanel panel = panel_of(PanelKind::kScatter, {series_of("one", {1, 4, 9}, {-0.5, 0.75, 0.25}),
                                                    series_of("two", {2.5}, {0.0})});
  panel.x.low = 0;
  panel.x.high = 10;
  panel.y.low = -1;
  panel.y.high = 1;
  const auto paths = svg_paths(svg_of(chart_of({panel})));
  const auto plots = plots_in(paths);
  ASSERT_EQ(plots.size(), 1u);
  const auto circles = filled(paths, kBlue, plots[0]);
  ASSERT_EQ(circles.size(), 3u);
  const double want_x[] = {0.1, 0.4, 0.9};
  const double want_y[] = {0.25, 0.875, 0.625};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(circles[i].centre_x(), across(plots[0], want_x[i]), 0.01);
    EXPECT_NEAR(circles[i].centre_y(), up(plots[0], want_y[i]), 0.01);
  }
  // Another series has another colour and another shape: four corners.
  const auto squares = filled(paths, kOrange, plots[0]);
  ASSERT_EQ(squares.size(), 1u);
  EXPECT_EQ(squares[0].x.size(), 4u);
  EXPECT_NEAR(squares[0].centre_x(), across(plots[0], 0.25), 0.01);
  EXPECT_NEAR(squares[0].centre_y(), up(plots[0], 0.5), 0.01);
}

TEST(Chart, LogarithmicAxesPutEqualFactorsAtEqualDistances) {
  ChartPanel panel = panel_of(PanelKind::kLines, {series_of("", {4, 8, 64}, {1e-4, 1e-2, 1e-3})});
  panel.x.scale = AxisScale::kLog2;
  panel.x.low = 4;
  panel.x.high = 64;
  panel.y.scale = AxisScale::kLog10;
  panel.y.low = 1e-4;
  panel.y.high = 1e-2;
  const auto paths = svg_paths(svg_of(chart_of({panel})));
  const auto plots = plots_in(paths);
  const auto markers = filled(paths, kBlue, plots.at(0));
  ASSERT_EQ(markers.size(), 3u);
  const double want_x[] = {0, 0.25, 1};
  const double want_y[] = {0, 1, 0.5};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(markers[i].centre_x(), across(plots[0], want_x[i]), 0.01);
    EXPECT_NEAR(markers[i].centre_y(), up(plots[0], want_y[i]), 0.01);
  }
}

TEST(Chart, ErrorBarsReachFromMeanMinusToMeanPlusSpread) {
  ChartSeries series = series_of("", {0, 1}, {0.5, 0.25});
  series.spread = {0.25, 0.125};
  ChartPanel panel = panel_of(PanelKind::kLines, {series});
  panel.y.low = 0;
  panel.y.high = 1;
  const auto paths = svg_paths(svg_of(chart_of({panel})));
  const SvgPath plot = plots_in(paths).at(0);
  std::vector<SvgPath> bars;
  for (const SvgPath& path : paths) {
    if (path.stroke == kBlue && path.x.size() == 2 && path.x[0] == path.x[1]) bars.push_back(path);
  }
  ASSERT_EQ(bars.size(), 2u);
  EXPECT_NEAR(bars[0].top(), up(plot, 0.75), 0.01);
  EXPECT_NEAR(bars[0].bottom(), up(plot, 0.25), 0.01);
  EXPECT_NEAR(bars[1].top(), up(plot, 0.375), 0.01);
  EXPECT_NEAR(bars[1].bottom(), up(plot, 0.125), 0.01);
}

TEST(Chart, BarsOfACategoryStandSideBySideFromZeroToTheirValue) {
  ChartPanel panel = panel_of(
      PanelKind::kBars, {series_of("LoRA", {0, 1}, {2, 8}), series_of("DoRA", {0, 1}, {4, -2})});
  panel.x.categories = {"first", "second"};
  panel.y.low = -10;
  panel.y.high = 10;
  const auto paths = svg_paths(svg_of(chart_of({panel})));
  const SvgPath plot = plots_in(paths).at(0);
  const auto lora = filled(paths, kBlue, plot);
  const auto dora = filled(paths, kOrange, plot);
  ASSERT_EQ(lora.size(), 2u);
  ASSERT_EQ(dora.size(), 2u);
  EXPECT_NEAR(lora[0].bottom(), up(plot, 0.5), 0.01);
  EXPECT_NEAR(lora[0].top(), up(plot, 0.6), 0.01);
  EXPECT_NEAR(lora[1].top(), up(plot, 0.9), 0.01);
  EXPECT_NEAR(dora[0].top(), up(plot, 0.7), 0.01);
  EXPECT_NEAR(dora[1].top(), up(plot, 0.5), 0.01);
  EXPECT_NEAR(dora[1].bottom(), up(plot, 0.4), 0.01);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(lora[i].right(), dora[i].left(), 0.01);
    const double middle = (lora[i].left() + dora[i].right()) / 2;
    EXPECT_NEAR(middle, across(plot, 0.25 + 0.5 * static_cast<double>(i)), 0.01);
  }
}

TEST(Chart, TheTrendLineRunsOverThePointsAtItsSlope) {
  ChartPanel panel = panel_of(PanelKind::kScatter, {series_of("", {2, 6}, {1, 2})});
  panel.x.low = 0;
  panel.x.high = 8;
  panel.y.low = 0;
  panel.y.high = 4;
  panel.trend = TrendLine{0.25, 0.5};
  const std::string svg = svg_of(chart_of({panel}));
  const auto paths = svg_paths(svg);
  const SvgPath plot = plots_in(paths).at(0);
  int lines = 0;
  for (const SvgPath& path : paths) {
    if (path.x.size() != 2 || path.x[0] == path.x[1] || path.y[0] == path.y[1]) continue;
    ++lines;
    EXPECT_NEAR(path.x[0], across(plot, 0.25), 0.01);
    EXPECT_NEAR(path.x[1], across(plot, 0.75), 0.01);
    EXPECT_NEAR(path.y[0], up(plot, 0.25), 0.01);  // 0.5 + 0.25·2 = 1 of 4
    EXPECT_NEAR(path.y[1], up(plot, 0.5), 0.01);
  }
  EXPECT_EQ(lines, 1);
  EXPECT_NE(svg.find("stroke-dasharray"), std::string::npos);
}

TEST(Chart, SharedAxesGiveAllPanelsOneRange) {
  Chart chart = chart_of({panel_of(PanelKind::kScatter, {series_of("", {0, 5}, {0, 1})}),
                          panel_of(PanelKind::kScatter, {series_of("", {5, 10}, {1, 4})})});
  const auto heights = [&] {
    const auto paths = svg_paths(svg_of(chart));
    const auto plots = plots_in(paths);
    EXPECT_EQ(plots.size(), 2u);
    const auto left = filled(paths, kBlue, plots.at(0));
    const auto right = filled(paths, kBlue, plots.at(1));
    // The point (5, 1) stands in both.
    EXPECT_EQ(left.size() + right.size(), 4u);
    return std::pair(left.at(1).centre_y(), right.at(0).centre_y());
  };
  const auto own = heights();
  EXPECT_GT(std::abs(own.first - own.second), 50);
  chart.share_x = chart.share_y = true;
  const auto shared = heights();
  EXPECT_NEAR(shared.first, shared.second, 0.01);
}

TEST(Chart, ManyGroupsHaveColoursOfASequenceAndABarBesideThePanels) {
  ChartSeries series = series_of("", {}, {});
  ColourKey key{"layer", {}};
  for (int i = 0; i < 12; ++i) {
    key.names.push_back("layer " + std::to_string(i));
    series.x.push_back(i);
    series.y.push_back(i);
    series.colour_value.push_back(i);
  }
  Chart chart = chart_of({panel_of(PanelKind::kScatter, {series})});
  chart.colours = key;
  const auto paths = svg_paths(svg_of(chart));
  const SvgPath plot = plots_in(paths).at(0);
  // viridis begins at #440154.
  const std::string first = "rgb(26.666667%,0.392157%,32.941176%)";
  EXPECT_EQ(filled(paths, first, plot).size(), 1u);
  std::vector<SvgPath> beside;
  for (const SvgPath& path : paths) {
    if (path.fill == first && path.left() > plot.right()) beside.push_back(path);
  }
  ASSERT_EQ(beside.size(), 1u);
  EXPECT_NEAR(beside[0].bottom(), plot.bottom(), 0.01);
}

TEST(Chart, TheLegendStandsOutsideTheData) {
  ChartPanel panel = panel_of(PanelKind::kLines, {series_of("LoRA", {0, 1, 2}, {3, 2, 1})});
  const auto paths = svg_paths(svg_of(chart_of({panel})));
  const SvgPath plot = plots_in(paths).at(0);
  size_t above = 0;
  size_t elsewhere = 0;
  for (const SvgPath& path : paths) {
    if (path.fill != kBlue) continue;
    above += path.bottom() < plot.top() ? 1 : 0;
    elsewhere += path.bottom() >= plot.top() ? 1 : 0;
  }
  EXPECT_EQ(above, 1u);
  EXPECT_EQ(elsewhere, 3u);
}

TEST(Chart, ThePngHasItsSizeAndShowsWhatTheSvgShows) {
  Chart chart = chart_of(
      {panel_of(PanelKind::kScatter, {series_of("a", {1.23, 2.41, 3.57}, {5.3, 1.1, 3.17})})});
  chart.width = 640;
  chart.panel_height = 200;
  const std::string png = draw_chart(chart, font(), ChartFormat::kPng);
  const Image image = decode_picture(png, "chart").image;
  EXPECT_EQ(image.width, 640);
  const std::string svg = svg_of(chart);
  EXPECT_NE(svg.find(concat("viewBox=\"0 0 640 ", image.height, "\"")), std::string::npos);
  const auto paths = svg_paths(svg);
  const auto points = filled(paths, kBlue, plots_in(paths).at(0));
  ASSERT_EQ(points.size(), 3u);
  for (const SvgPath& point : points) {
    const uint8_t* pixel =
        image.pixel(static_cast<int>(point.centre_x()), static_cast<int>(point.centre_y()));
    // #0072b2 at 85 % over white: no line of the grid is behind them.
    EXPECT_NEAR(pixel[0], 0.15 * 255, 2);
    EXPECT_NEAR(pixel[1], 0.85 * 0x72 + 0.15 * 255, 2);
    EXPECT_NEAR(pixel[2], 0.85 * 0xb2 + 0.15 * 255, 2);
  }
  const uint8_t* corner = image.pixel(1, 1);
  EXPECT_EQ(corner[0] + corner[1] + corner[2], 3 * 255);
}

TEST(Chart, TheSameDescriptionGivesTheSameBytes) {
  const Chart chart = chart_of({panel_of(PanelKind::kLines, {series_of("a", {1, 2}, {5, 1})})});
  EXPECT_EQ(svg_of(chart), svg_of(chart));
  EXPECT_EQ(draw_chart(chart, font(), ChartFormat::kPng),
            draw_chart(chart, font(), ChartFormat::kPng));
}

TEST(Chart, TheFilesEndingSaysWhatIsWritten) {
  const TemporaryFolder folder;
  const Chart chart = chart_of({panel_of(PanelKind::kLines, {series_of("a", {1, 2}, {5, 1})})});
  write_chart(chart, font(), folder.path() / "new" / "chart.svg");
  write_chart(chart, font(), folder.path() / "new" / "chart.png");
  EXPECT_EQ(read_file(folder.path() / "new" / "chart.svg"), svg_of(chart));
  EXPECT_EQ(probe_size(folder.path() / "new" / "chart.png").width, 1100);
  const fs::path wrong = folder.path() / "chart.pdf";
  EXPECT_EQ(message_of([&] { write_chart(chart, font(), wrong); }),
            wrong.string() + " ends with '.pdf'; want .png or .svg");
  EXPECT_FALSE(fs::exists(wrong));
}

std::string refusal_of(const Chart& chart) {
  return message_of([&] { svg_of(chart); });
}

TEST(Chart, NumbersThatCannotBeDrawnAreNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto with = [](const ChartSeries& series) {
    return chart_of({panel_of(PanelKind::kLines, {series})});
  };
  EXPECT_EQ(refusal_of(with(series_of("s", {1, 2}, {1, nan}))),
            "panel 'a panel', series 's': y of point 2 is nan; want a finite number");
  EXPECT_EQ(refusal_of(with(series_of("s", {infinity, 2}, {1, 1}))),
            "panel 'a panel', series 's': x of point 1 is inf; want a finite number");
  ChartSeries spread = series_of("s", {1}, {1});
  spread.spread = {nan};
  EXPECT_NE(refusal_of(with(spread)).find("spread of point 1 is nan"), std::string::npos);
  Chart logarithmic = with(series_of("s", {0, 2}, {1, 1}));
  logarithmic.panels[0].x.scale = AxisScale::kLog2;
  EXPECT_EQ(
      refusal_of(logarithmic),
      "panel 'a panel', series 's': x of point 1 is 0; a logarithmic axis wants numbers above "
      "0");
  Chart trend = with(series_of("s", {1, 2}, {1, 1}));
  trend.panels[0].trend = TrendLine{nan, 0};
  EXPECT_NE(refusal_of(trend).find("trend"), std::string::npos);
}

TEST(Chart, AnEmptyOrInconsistentChartIsRefused) {
  EXPECT_EQ(refusal_of({}), "the chart has no panels");
  EXPECT_EQ(refusal_of(chart_of({panel_of(PanelKind::kLines, {})})),
            "panel 'a panel' has no points");
  EXPECT_EQ(refusal_of(chart_of({panel_of(PanelKind::kLines, {series_of("s", {}, {})})})),
            "panel 'a panel' has no points");
  EXPECT_EQ(refusal_of(chart_of({panel_of(PanelKind::kLines, {series_of("s", {1, 2}, {1})})})),
            "panel 'a panel', series 's': 2 values of x and 1 of y");
  ChartPanel bars = panel_of(PanelKind::kBars, {series_of("s", {2}, {1})});
  EXPECT_NE(refusal_of(chart_of({bars})).find("bars want categories"), std::string::npos);
  bars.x.categories = {"a", "b"};
  EXPECT_NE(refusal_of(chart_of({bars})).find("x is 2; want the number of one of 2 categories"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::chart_test
