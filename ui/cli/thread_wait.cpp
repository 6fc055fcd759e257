// How long libgomp's threads spin at a barrier before they sleep. Its default is milliseconds on
// processors with a slow PAUSE: beside any other load every parallel region would wait for the core
// that is busy. libgomp reads the variable while it is loaded, before main() and all constructors,
// hence .preinit_array.
#include <cstdlib>

namespace {

void set_spin_count(int, char**, char**) { setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/0); }

}  // namespace

__attribute__((section(".preinit_array"),
               used)) static void (*const kBeforeLibgomp)(int, char**, char**) = set_spin_count;
