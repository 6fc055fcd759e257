// A surveyed folder for the tests of the Dataset window: "a.png" is as it should be, "b.png" is
// small and a duplicate, "c.png" has a drawn crop and a caption of its own.
#pragma once

#include "tests/desktop/desk_harness.h"

namespace dorabooth::testing {

inline SurveyedPicture surveyed(const std::string& name, int64_t width, int64_t height) {
  SurveyedPicture picture;
  picture.path = "/home/ann/my_dog/" + name;
  picture.folder = "/home/ann/my_dog";
  picture.name = name;
  picture.width = width;
  picture.height = height;
  picture.scaled_width = width;
  picture.scaled_height = height;
  picture.bucket_width = 64;
  picture.bucket_height = 64;
  const int64_t side = std::min(width, height);
  picture.crop = {(width - side) / 2, (height - side) / 2, side, side};
  picture.caption = "a sks dog";
  picture.caption_source = "prompt";
  return picture;
}

inline State dataset_state() {
  State state = state_in("/home/ann");
  state.project.train.instance_data_dir = "/home/ann/my_dog";
  state.project.train.instance_prompt = "a sks dog";
  state.project.train.resolution = 64;
  reduce(state, DatasetAction(ReadDataset{}));
  DatasetReport report;
  report.pictures = {surveyed("a.png", 400, 200), surveyed("b.png", 20, 30),
                     surveyed("c.png", 300, 300)};
  report.pictures[1].warnings = {{PictureFault::kSmall, "20x20 pixels are enlarged to 64x64"},
                                 {PictureFault::kDuplicate, "the same picture as a.png"}};
  SurveyedPicture& c = report.pictures[2];
  c.drawn = c.crop = {10, 20, 100, 100};
  c.own_caption = c.caption = "my dog Rex";
  c.caption_source = "sidecar";
  for (const SurveyedPicture& picture : report.pictures)
    reduce(state, JobId::kDataset, PreviewEvent{0, 0, picture.path, "", Image(8, 8)});
  reduce(state, DatasetAction(DatasetSurveyed{state.dataset.request, report}));
  reduce(state, JobId::kDataset, FinishedEvent{"3 pictures"});
  return state;
}

inline void select_picture(State& state, const std::string& name) {
  reduce(state, DatasetAction(SelectPicture{"/home/ann/my_dog/" + name}));
}

}  // namespace dorabooth::testing
