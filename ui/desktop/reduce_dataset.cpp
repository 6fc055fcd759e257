// The folder of pictures.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

Effects reduce_dataset(State& state, const DatasetAction& action) {
  return std::visit(Overloaded{
                        [&](const ReadDataset&) -> Effects {
                          if (state.project.train.instance_data_dir.empty() ||
                              state.jobs[JobId::kDataset].active())
                            return {};
                          begin_job(state, JobId::kDataset);
                          return {RunReadDataset{state.project.train.instance_data_dir}};
                        },
                        [&](const DatasetRead& read) -> Effects {
                          state.dataset.pictures = read.pictures;
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
