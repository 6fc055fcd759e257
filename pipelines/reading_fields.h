// How strictly the adapters of a request are read, for the commands that read them.
#pragma once

#include "src/adapter/reading_options.h"
#include "src/config/field_list.h"

namespace dorabooth {

template <typename T>
void add_reading_fields(FieldList<T>& f) {
  f.add("ignore_unknown", &ReadingOptions::ignore_unknown,
        "Keys of an adapter's file that name nothing in the base are listed and left out; without "
        "it they are an error.");
  f.add("dora_axis", &ReadingOptions::dora_axis,
        "Whose magnitudes an adapter's dora_scale holds where its file leaves that open (square "
        "layers alone, and no wd_on_output in the header): one per output or per input feature.")
      .one_of({"output", "input"});
}

}  // namespace dorabooth
