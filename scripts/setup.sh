#!/usr/bin/env bash
# Installs what a build needs: Debian packages (setup/debian_packages.txt); into .deps/libtorch, the LibTorch of
# PyPI's torch wheel with the two CUDA runtime libraries that libtorch_cpu is linked with (setup/wheels.txt); into
# .deps/imgui, the sources of Dear ImGui and its kin out of PyPI's imgui-bundle (setup/sources.txt).
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cuda] [--no-packages]

  --cuda         also unpack LibTorch's CUDA side and the CUDA libraries that it names (about 3 GB more)
  --no-packages  install no Debian packages: the machine has what setup/debian_packages.txt stands for

Downloads are kept in ${XDG_CACHE_HOME:-~/.cache}/dorabooth and fetched once. Everything there: nothing is done.
TEXT
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

cuda=no packages=yes
for argument in "$@"; do
  case $argument in
    --cuda) cuda=yes ;;
    --no-packages) packages=no ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
deps=$root/.deps
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dorabooth
target=$deps/libtorch
stamp=$target/setup.stamp
platform=(--only-binary :all: --python-version 3.11 --implementation cp --abi cp311)
for version in $(seq 28 -1 17); do platform+=(--platform "manylinux_2_${version}_x86_64"); done
platform+=(--platform manylinux2014_x86_64)

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
  die "this is $(uname -s) on $(uname -m), and the LibTorch that is fetched is for Linux on x86_64 only."

# --- Debian packages ---------------------------------------------------------------------------------------------

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
  comm -23 <(sort -u "$here/setup/debian_packages.txt") <(printf '%s\n' "$installed") | paste -sd ' '
}

install_packages() {
  local missing as_root=() size log offline=no
  command -v dpkg-query >/dev/null ||
    die "this is not Debian: install what scripts/setup/debian_packages.txt stands for, then run $0 --no-packages."
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      die "these Debian packages are missing and only root can install them (apt-get install): $missing"
    fi
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  log=$(mktemp)
  say "asking Debian's package lists"
  if ! "${as_root[@]}" update >"$log" 2>&1 || grep -qE '^(W: Failed|E:|Err:)' "$log"; then offline=yes; fi
  # shellcheck disable=SC2086  # a list of words
  size=$(LC_ALL=C "${as_root[@]}" install --no-install-recommends --assume-no $missing 2>/dev/null |
    sed -n 's/^Need to get \(.*\) of archives.*/\1/p' || true)
  say "fetching Debian packages (${size:-nothing} to download): $missing"
  # shellcheck disable=SC2086
  if ! "${as_root[@]}" install -y --no-install-recommends $missing >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    if grep -qi 'no space left\|enough free space' "$log"; then die "the disk is full: Debian's packages do not fit."; fi
    if [ $offline = yes ]; then die "Debian's packages cannot be reached: is there a network?"; fi
    die "Debian's packages could not be installed; apt-get's last words are above."
  fi
  rm -f "$log"
}

# --- wheels --------------------------------------------------------------------------------------------------------

need_space() { # need_space FOLDER MB
  local free
  free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$2" ] || die "the disk is full: $1 needs $(($2 / 1000)).$(($2 % 1000 / 100)) GB free and has $free MB."
}

# pip of its own, new enough to go on with a broken download (25.1).
private_pip() {
  local python candidate
  pip=$cache/pip/bin/pip
  if [ -x "$pip" ] && "$pip" download --help 2>/dev/null | grep -q -- --resume-retries; then return; fi
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python=$candidate; break; fi
  done
  [ -n "${python:-}" ] || die "python3 has no venv module: install the package python3-venv, or another Python first on PATH."
  rm -rf "$cache/pip"
  "$python" -m venv "$cache/pip" >"$cache/pip.log" 2>&1 ||
    die "python3 -m venv failed: $(tail -n 1 "$cache/pip.log")"
  run_pip install --upgrade 'pip>=25.1'
}

run_pip() { # run_pip ARGUMENTS…: one sentence where it fails
  mkdir -p "$cache/tmp" # in it pip keeps what is complete of a broken run
  if TMPDIR=$cache/tmp PIP_CACHE_DIR=$cache/tmp/pip PIP_DISABLE_PIP_VERSION_CHECK=1 "$pip" "$@" 2>"$cache/pip.log" >&3; then return; fi
  if grep -qi 'no space left' "$cache/pip.log"; then
    die "the disk became full during the download ($cache); wheels that are complete are kept."
  fi
  if grep -qiE 'connection|name resolution|network is unreachable|timed out|incomplete' "$cache/pip.log"; then
    die "PyPI cannot be reached: is there a network? Wheels that are complete are kept; run this again to go on."
  fi
  grep -v '^WARNING' "$cache/pip.log" | tail -n 5 >&2
  die "pip $1 failed; its last words are above."
}

is_whole() { # is_whole FILE SHA256
  [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}

fetch_wheels() {
  local sha256 megabytes requirement file total=0 todo=()
  while read -r sha256 megabytes requirement file; do
    if is_whole "$cache/$file" "$sha256"; then continue; fi
    rm -f "$cache/$file"
    todo+=("$sha256 $requirement $file")
    total=$((total + megabytes))
    say "to fetch from PyPI: $requirement, $megabytes MB"
  done <"$here/setup/wheels.txt"
  [ ${#todo[@]} -gt 0 ] || return 0
  need_space "$cache" $((total * 2 + 100))
  say "fetching $total MB into $cache"
  private_pip
  local entry
  for entry in "${todo[@]}"; do
    read -r sha256 requirement file <<<"$entry"
    run_pip download --no-deps --resume-retries 20 "${platform[@]}" -d "$cache" "$requirement"
    is_whole "$cache/$file" "$sha256" || {
      rm -f "$cache/$file"
      die "$file does not have the expected checksum; it was removed: run this again."
    }
  done
}

# --- sources of the desktop program's libraries --------------------------------------------------------------------

# pip runs the source package's own metadata hook: what the hook needs is installed at fixed versions first.
fetch_sources() {
  local sha256 megabytes requirement file
  read -r sha256 megabytes requirement file <"$here/setup/sources.txt"
  if is_whole "$cache/$file" "$sha256"; then return; fi
  rm -f "$cache/$file"
  say "to fetch from PyPI: $requirement, $megabytes MB (Dear ImGui, ImPlot, the test engine, file dialogs)"
  need_space "$cache" $((megabytes * 2 + 100))
  private_pip
  run_pip install --no-deps --only-binary :all: --require-hashes -r "$here/setup/sources_hook.txt"
  run_pip download --no-deps --no-build-isolation --no-binary "${requirement%%==*}" --resume-retries 20 -d "$cache" "$requirement"
  is_whole "$cache/$file" "$sha256" || {
    rm -f "$cache/$file"
    die "$file does not have the expected checksum; it was removed: run this again."
  }
}

unpack_sources() {
  local fresh=$deps/imgui.new file part parts=(imgui imgui_test_engine/imgui_test_engine implot portable_file_dialogs)
  file=$(awk '{ print $4 }' "$here/setup/sources.txt")
  need_space "$deps" 100
  say "unpacking into $deps/imgui"
  rm -rf "$fresh" "$deps/imgui.tar"
  mkdir -p "$fresh" "$deps/imgui.tar"
  tar -xzf "$cache/$file" -C "$deps/imgui.tar" --strip-components=2 --no-same-owner \
    --wildcards "${parts[@]/#/*/external/}" || die "$cache/$file cannot be unpacked: is the disk full?"
  for part in "${parts[@]}"; do mv "$deps/imgui.tar/$part/$(basename "$part")" "$fresh/$(basename "$part")"; done
  cp "$here/setup/sources.txt" "$fresh/setup.stamp"
  rm -rf "$deps/imgui" "$deps/imgui.tar"
  mv "$fresh" "$deps/imgui"
}

sources_are_set_up() { cmp -s "$here/setup/sources.txt" "$deps/imgui/setup.stamp"; }

# --- LibTorch's CUDA side ------------------------------------------------------------------------------------------

# The CUDA libraries that the torch wheel's own metadata names, with the versions it names.
fetch_cuda_wheels() {
  local requirements=() line
  cuda_wheels=$cache/cuda-$(cut -c 1-12 <<<"$(torch_field 1)")
  if [ -f "$cuda_wheels/SHA256SUMS" ] && (cd "$cuda_wheels" && sha256sum --quiet --check SHA256SUMS); then return; fi
  while read -r line; do requirements+=("$line"); done < <(unzip -p "$cache/$(torch_field 4)" '*.dist-info/METADATA' |
    sed -n 's/^Requires-Dist: \(\(cuda-toolkit\|nvidia-\)[^;]*\).*/\1/p')
  say "to fetch from PyPI, about 2 GB: ${requirements[*]}"
  mkdir -p "$cuda_wheels"
  need_space "$cuda_wheels" 5000
  private_pip
  run_pip download --resume-retries 20 "${platform[@]}" -d "$cuda_wheels" "${requirements[@]}"
  (cd "$cuda_wheels" && sha256sum ./*.whl >SHA256SUMS)
}

torch_field() { awk -v field="$1" '$3 ~ /^torch==/ { print $field }' "$here/setup/wheels.txt"; }
file_of() { awk -v start="$1" 'index($3, start "==") == 1 { print $4 }' "$here/setup/wheels.txt"; }

unpack() { # unpack WHEEL FOLDER PATTERN…
  local wheel=$1 folder=$2
  shift 2
  unzip -q -o "$wheel" "$@" -d "$folder" || die "$wheel cannot be unpacked: is the disk full?"
}

unpack_all() {
  local fresh=$deps/libtorch.new wheel torch_parts=('torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*'
    'torch/lib/libtorch.so' 'torch/lib/libshm*' 'torch/include/*' 'torch/share/*' 'torch-*.dist-info/licenses/*')
  local megabytes=700
  if [ "$cuda" = yes ]; then
    torch_parts+=('torch/lib/libtorch_cuda*' 'torch/lib/libc10_cuda.so' 'torch/lib/libtorch_nvshmem.so')
    megabytes=6000
  fi
  need_space "$deps" $megabytes
  say "unpacking into $target"
  rm -rf "$fresh"
  unpack "$cache/$(torch_field 4)" "$fresh" "${torch_parts[@]}"
  unpack "$cache/$(file_of nvidia-cuda-runtime)" "$fresh" '*/libcudart.so.13' '*.dist-info/licenses/*'
  unpack "$cache/$(file_of nvidia-cuda-cupti)" "$fresh" '*/libcupti.so.13' '*.dist-info/licenses/*'
  if [ "$cuda" = yes ]; then
    for wheel in "$cuda_wheels"/nvidia_*.whl; do
      unpack "$wheel" "$fresh" 'nvidia/*.so*' '*.dist-info/*'
    done
    unpack "$(echo "$cuda_wheels"/nvidia_nccl_*.whl)" "$fresh" 'nvidia/nccl/include/*'
  fi
  wanted_stamp >"$fresh/setup.stamp"
  rm -rf "$target"
  mv "$fresh" "$target"
}

wanted_stamp() {
  cat "$here/setup/wheels.txt"
  printf 'cuda %s\n' "$cuda"
  if [ "$cuda" = yes ]; then echo 'with nccl.h'; fi
}

# A LibTorch with its CUDA side also serves a request without.
is_set_up() {
  [ -f "$stamp" ] || return 1
  [ "$(wanted_stamp)" = "$(cat "$stamp")" ] || [ "$(cuda=yes wanted_stamp)" = "$(cat "$stamp")" ]
}

if [ "$packages" = yes ]; then install_packages; fi
if is_set_up && sources_are_set_up; then
  say "all there: $target, $deps/imgui"
  exit 0
fi
mkdir -p "$deps" "$cache" || die "$deps and $cache must be writable."
exec 3>&1 9>"$deps/lock"
flock 9
if ! is_set_up; then
  fetch_wheels
  if [ "$cuda" = yes ]; then fetch_cuda_wheels; fi
  unpack_all
fi
if ! sources_are_set_up; then
  fetch_sources
  unpack_sources
fi
rm -rf "$cache/tmp"
say "done: $target, $deps/imgui"
