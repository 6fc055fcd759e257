// A comparison of two prompts, two seeds and two adapters, and what its job brings.
#pragma once

#include "tests/desktop/desk_harness.h"
#include "ui/desktop/compare_cells.h"

namespace dorabooth::testing {

inline State comparing_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  CompareRequest& compare = state.project.compare;
  compare.prompt = {"a dog", "a cat"};
  compare.seed = {0, 7};
  compare.column = {"LoRA=/a/lora.safetensors", "DoRA=/a/dora.safetensors:0.5"};
  return state;
}

inline PreviewEvent picture_of(int64_t row, int64_t column, uint8_t grey) {
  PreviewEvent preview;
  preview.row = row;
  preview.column = column;
  preview.image = Image(8, 8, grey);
  return preview;
}

// The job draws `cells` (row-major over the whole grid or its columns) at ten steps each and ends.
inline Effects draw_all(State& state) {
  reduce(state, CompareAction(StartCompare{}));
  const CompareGrid grid = compare_grid(state.compare.run.request);
  const auto rows = static_cast<int64_t>(grid.rows.size());
  const auto columns = static_cast<int64_t>(grid.columns.size());
  reduce(state, JobId::kCompare, StartedEvent{"compare", rows * columns * 10});
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      reduce(state, JobId::kCompare,
             picture_of(row, column, static_cast<uint8_t>(10 * row + column)));
  }
  return reduce(state, JobId::kCompare, FinishedEvent{"drew 12 pictures"});
}

}  // namespace dorabooth::testing
