// From nothing to a base and a folder of pictures.
#include <filesystem>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

Effects reduce_start(State& state, const StartAction& action) {
  return std::visit(
      Overloaded{
          [&](const TryBundled&) -> Effects {
            const std::filesystem::path configs = state.places.configs;
            const std::filesystem::path pictures =
                std::filesystem::path(state.places.assets) / "pictures";
            return {LoadText{TextUse::kQuickstart, (configs / "quickstart.json").string()},
                    LoadText{TextUse::kPrompts, (pictures / "compare_prompts.txt").string()}};
          },
          [&](const ChooseBase& choose) -> Effects {
            set_base(state.project, choose.path);
            remember_recent(state.settings.recent_bases, choose.path);
            return {};
          },
          [&](const ChooseDataset& choose) -> Effects {
            state.project.train.instance_data_dir = choose.path;
            remember_recent(state.settings.recent_datasets, choose.path);
            show_window(state, WindowId::kDataset);
            return reduce_dataset(state, ReadDataset{});
          },
      },
      action);
}

}  // namespace dorabooth
