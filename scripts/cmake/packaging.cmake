# cmake --install: filled in below the programs' targets.
