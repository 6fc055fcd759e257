// What a person did or what a job brought, as small structs grouped by window: the only way into
// reduce(). A struct converts to its window's variant and from there to Action.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "ui/desktop/analyze_action.h"
#include "ui/desktop/app_action.h"
#include "ui/desktop/compare_action.h"
#include "ui/desktop/convert_action.h"
#include "ui/desktop/dataset_action.h"
#include "ui/desktop/export_action.h"
#include "ui/desktop/file_action.h"
#include "ui/desktop/form_action.h"
#include "ui/desktop/inspect_action.h"
#include "ui/desktop/start_action.h"
#include "ui/desktop/train_action.h"

namespace dorabooth {

using Action =
    std::variant<AppAction, FormAction, FileAction, StartAction, DatasetAction, TrainAction,
                 CompareAction, ExportAction, ConvertAction, AnalyzeAction, InspectAction>;

// What the views of one frame ask for, in order.
class Actions {
 public:
  void add(Action action) { actions_.push_back(std::move(action)); }
  std::vector<Action> take() { return std::exchange(actions_, {}); }
  bool empty() const { return actions_.empty(); }

 private:
  std::vector<Action> actions_;
};

namespace action_detail {
template <typename T, typename... Ts>
const T* get(const std::variant<Ts...>& group) {
  if constexpr ((std::is_same_v<T, Ts> || ...)) return std::get_if<T>(&group);
  return nullptr;
}
}  // namespace action_detail

// The action as `T`, or nullptr if it is another one.
template <typename T>
const T* action_as(const Action& action) {
  return std::visit([](const auto& group) { return action_detail::get<T>(group); }, action);
}

}  // namespace dorabooth
