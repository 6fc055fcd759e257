#!/usr/bin/env bash
# Measures `dorabooth pretrain` and the same model's training in PyTorch (diffusers + transformers)
# in turn, wall time of a step on the same threads, and prints one markdown table.
#
# usage: bench_pretraining.sh PYTHON [ROUNDS [ROW…]] [--check] [--steps N] [--warm N] [--threads N]
#                             [--compile]
# PYTHON has torch, diffusers and transformers. ROUNDS (5) are runs of each side, each of --steps (10)
# measured steps after --warm (3) that do not count. ROW is unet_fp32, unet_bf16, vae_fp32, vae_bf16
# or a pattern ('vae*'); none: all. --check ends with status 1 where PyTorch is the faster one.
# --compile measures PyTorch under torch.compile too, which needs a C++ compiler and minutes.
# DORABOOTH names the program (build/release/dorabooth), TMPDIR where its runs are written.
set -euo pipefail

if [[ $# -lt 1 ]]; then
  sed -n '5,12s/^# //p' "$0" >&2
  exit 2
fi
export OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
exec "$1" "$(dirname "$0")/peers/bench_pretraining.py" "${@:2}"
