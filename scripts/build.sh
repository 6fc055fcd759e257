#!/usr/bin/env bash
# Configures and builds one preset; says whether CUDA is in the build.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/build.sh [--preset release|debug|sanitize] [TARGET…]

Builds everything, or the given targets, into build/PRESET. DORABOOTH_JOBS limits parallel compilations.
Set-up comes first: scripts/setup.sh.
TEXT
}

preset=release targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --preset)
      preset=${2:?--preset needs a name}
      shift
      ;;
    -*) usage >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake --preset "$preset" | grep -E '^-- (LibTorch|CUDA object|Configuring|Build files)'

# A torch-using file takes up to 2 GB to compile: as many at a time as cores, and as memory holds.
cores=$(nproc)
memory_gb=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
jobs=$((memory_gb / 2 < cores ? memory_gb / 2 : cores))
jobs=${DORABOOTH_JOBS:-$((jobs > 0 ? jobs : 1))}
if [ ${#targets[@]} -gt 0 ]; then
  cmake --build "build/$preset" --parallel "$jobs" --target "${targets[@]}"
else
  cmake --build "build/$preset" --parallel "$jobs"
fi

if [ -e "build/$preset/libdorabooth_cuda.so" ]; then
  echo "build: done, with CUDA: build/$preset"
else
  echo "build: done, CPU only: build/$preset"
fi
