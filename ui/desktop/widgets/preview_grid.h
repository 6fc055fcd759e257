// The pictures that a run draws of its validation prompts: a row for each prompt and seed, the
// base's column at the left, where it stays, then columns by step and adapter.
#pragma once

#include "ui/desktop/train_state.h"
#include "ui/desktop/widgets/texture_store.h"

namespace dorabooth {

// Nothing where there are none.
void draw_preview_grid(const TrainState& train, TextureStore& textures);

}  // namespace dorabooth
