#!/usr/bin/env bash
# Measures `dorabooth bench` and the Python peer (diffusers + PEFT) in turn on the same work, one
# thread, processor time, and prints one markdown table with the bar that each row has to meet.
#
# usage: bench_against_peer.sh PYTHON [ROUNDS [ROW…]]
#        bench_against_peer.sh PYTHON --table
#        bench_against_peer.sh PYTHON --list
# PYTHON has torch, diffusers and PEFT. ROUNDS (5) are repetitions of each side. ROW is a name of
# --list, a pattern ('tiny*'), or either with rounds of its own (full_step=3); none: all rows, of
# which mid* and full* take minutes. Every row's result is kept in BENCH_RESULTS (build/bench);
# --table prints what lies there, from however many runs. DORABOOTH names the program
# (build/release/dorabooth), TMPDIR where bases are written.
set -euo pipefail

if [[ $# -lt 1 ]]; then
  sed -n '5,13s/^# //p' "$0" >&2
  exit 2
fi
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
exec "$1" "$(dirname "$0")/peers/bench_against_peer.py" "${@:2}"
