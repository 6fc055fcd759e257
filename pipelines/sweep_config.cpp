// The field list of SweepRequest: everything of train, and what varies.
#include "pipelines/sweep.h"

namespace dorabooth {

namespace {

// A list that also has the fields of a base struct's own, under their headings.
class WithTrain : public FieldList<SweepRequest> {
 public:
  void include(const FieldTable& list, void* (*base)(void*)) {
    for (Field field : list.fields()) {
      field.address = [base, address = field.address](void* object) {
        return address(base(object));
      };
      group_ = field.group;
      add_field(std::move(field));
    }
  }
};

void* train_of(void* object) {
  return static_cast<TrainConfig*>(static_cast<SweepRequest*>(object));
}

void* whole_of(void* object) { return object; }

}  // namespace

const FieldList<SweepRequest>& sweep_own_fields() {
  static const FieldList<SweepRequest> list = [] {
    FieldList<SweepRequest> f;
    f.group("Sweep");
    f.add("field", &SweepRequest::field,
          "NAME=V1,V2,…: a setting of train and the values that it takes, repeatable (all "
          "combinations are trained); for settings that are lists, NAME=[[…],[…]] in JSON. Runs "
          "that differ in the seed alone are repetitions.");
    f.add("evaluation_data_dir", &SweepRequest::evaluation_data_dir,
          "Folder of captioned pictures that no run trains on: the loss is measured on them.");
    f.add("evaluation_num_timesteps", &SweepRequest::evaluation_num_timesteps,
          "Timesteps a held-out picture, spread over the schedule.")
        .at_least(1)
        .at_most(1000);
    f.add("evaluation_seed", &SweepRequest::evaluation_seed,
          "Of the measurement's noise, the same for all runs.")
        .at_least(0);
    f.add("evaluation_batch_size", &SweepRequest::evaluation_batch_size,
          "Held-out pictures at a time.")
        .at_least(1)
        .at_most(1024);
    f.add("evaluation_images", &SweepRequest::evaluation_images,
          "Pictures that base and adapters draw for the first held-out captions; their distance "
          "from the real ones, by histograms of colours and edges, stands beside the loss.")
        .at_least(0)
        .at_most(100000);
    f.add("evaluation_inference_steps", &SweepRequest::evaluation_inference_steps,
          "Denoising steps of those pictures.")
        .at_least(1)
        .at_most(1000);
    f.add("evaluation_guidance_scale", &SweepRequest::evaluation_guidance_scale,
          "Classifier-free guidance of those pictures.")
        .at_least(0)
        .at_most(100);
    f.add("keep_checkpoints", &SweepRequest::keep_checkpoints,
          "Keep the runs' checkpoints once they are trained.");
    return f;
  }();
  return list;
}

const FieldList<SweepRequest>& sweep_fields() {
  static const WithTrain list = [] {
    WithTrain f;
    f.include(sweep_own_fields(), whole_of);
    f.include(train_fields(), train_of);
    return f;
  }();
  return list;
}

}  // namespace dorabooth
