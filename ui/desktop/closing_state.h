// How far the question is that the window asks when it is closed while a heavy job runs.
#pragma once

namespace dorabooth {

enum class Closing {
  kNo,
  kAsking,
  kStopping,  // the jobs were asked to stop; the program closes when they have
  kWaiting,   // the program closes when they are done
};

}  // namespace dorabooth
