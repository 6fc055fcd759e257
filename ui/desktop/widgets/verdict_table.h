// What each program that reads adapter files makes of one.
#pragma once

#include <vector>

#include "pipelines/reader_verdict.h"

namespace dorabooth {

// As high as its rows.
void draw_verdict_table(const std::vector<ReaderVerdict>& verdicts);

}  // namespace dorabooth
