#!/usr/bin/env bash
# Fuzzes the readers of foreign files with libFuzzer under the address and undefined-behaviour sanitizers.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/fuzz.sh [SECONDS [TARGET…]]

Builds tests/fuzz with clang into build/fuzz and runs each target for SECONDS (600), on the kept corpus and what earlier
runs found (build/fuzz/found/TARGET). Targets: safetensors_header, safetensors_file, shard_index, configs, merges,
adapter_keys, pictures; none: all. An input that crashes is written to build/fuzz/crashes and ends the script with
status 1; kept in tests/fuzz/corpus/TARGET, it is run by the tests from then on. DORABOOTH_JOBS (the cores) fuzzers run
at a time. Needs clang++.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
seconds=${1:-600}
[ $# -gt 0 ] && shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v clang++ > /dev/null || { echo "fuzz: clang++ is missing (Debian: clang)" >&2; exit 1; }
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi
jobs=${DORABOOTH_JOBS:-$(nproc)}
out=$PWD/build/fuzz
mkdir -p "$out/objects" "$out/crashes"

# The readers do not see torch; of the folders that do, the files that do not.
sources=(src/base/*.cpp src/config/*.cpp src/tensorfile/*.cpp src/tokenizers/*.cpp src/imagefile/*.cpp
  src/adapter/{adapter_header,adapter_keys,bundled_embedding,lora_config}.cpp
  src/adapter/{magnitude_axis,module_parts,sgm_names,spec}.cpp src/scheduler/scheduler_config.cpp
  tests/fuzz/targets.cpp tests/fuzz/driver.cpp)
packages=(libcrypto sentencepiece icu-uc icu-i18n libpng libtiff-4 libwebp)
flags=(-std=c++20 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -I. -I.deps)
read -ra package_flags <<< "$(pkg-config --cflags "${packages[@]}")"
read -ra libraries <<< "$(pkg-config --libs "${packages[@]}")"
# stb_image shifts by 32 where a broken JPEG has used more bits than it has: wrong colours, no wrong address.
compile() {
  local source=$1 object=$out/objects/${1//\//_}.o own=()
  [ "$source" != src/imagefile/stb_codec.cpp ] || own=(-fno-sanitize=shift-exponent)
  [ "$object" -nt "$source" ] || clang++ "${flags[@]}" "${own[@]}" "${package_flags[@]}" -c "$source" -o "$object"
}
objects=()
running=0
for source in "${sources[@]}"; do
  objects+=("$out/objects/${source//\//_}.o")
  compile "$source" &
  running=$((running + 1))
  if [ "$running" -ge "$jobs" ]; then wait -n && running=$((running - 1)); fi
done
wait
clang++ "${flags[@]}" -fsanitize=fuzzer,address,undefined "${objects[@]}" "${libraries[@]}" -o "$out/fuzz"

fuzz() {
  local target=$1 found=$out/found/$1
  mkdir -p "$found"
  DORABOOTH_FUZZ_TARGET=$target "$out/fuzz" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=16384 \
    -artifact_prefix="$out/crashes/$target-" -print_final_stats=1 "$found" "tests/fuzz/corpus/$target" \
    > "$out/$target.log" 2>&1 || { echo "fuzz: $target failed, see $out/$target.log" >&2; return 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log") inputs in $seconds s, no finding"
}
status=0 running=0
for target in "${targets[@]}"; do
  fuzz "$target" &
  running=$((running + 1))
  if [ "$running" -ge "$jobs" ]; then
    wait -n || status=1
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n || status=1
  running=$((running - 1))
done
exit $status
