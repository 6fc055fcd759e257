// A TCP port of this machine that nobody listens on.
#pragma once

namespace dorabooth::testing {

int free_port();

}  // namespace dorabooth::testing
