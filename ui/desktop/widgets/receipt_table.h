// What a merge did to each layer, as a table that sorts by its headings.
#pragma once

#include <vector>

#include "pipelines/merge.h"
#include "ui/desktop/action.h"

namespace dorabooth {

// Only the visible rows are drawn: a full base has over a thousand layers.
void draw_receipt_table(const std::vector<MergedLayer>& layers, Actions& actions);

}  // namespace dorabooth
