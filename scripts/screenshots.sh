#!/usr/bin/env bash
# Takes the screenshots of the desktop program from the drive of the end-to-end test.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/screenshots.sh [FOLDER]

Drives the desktop program in a window of 1280x720 (assets/screenshots unless FOLDER is given) and, for looking at it
only, of 2560x1440 at scale 2 (FOLDER/large, or out/large): bundled base and pictures, a twin run, a comparison,
a merge, a conversion with its proof, an analysis, an inspected file. Needs Xvfb, which scripts/setup.sh installs; takes some minutes after the build.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
small=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../assets/screenshots}")
large=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../out}/large")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
scripts/build.sh dorabooth test_desktop_e2e

export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
mkdir -p "$small" "$large"
drive() { # drive FOLDER WINDOW
  DORABOOTH_SCREENSHOTS=$1 DORABOOTH_WINDOW=$2 build/release/test_desktop_e2e \
    --gtest_filter=Drive.FromTheFirstStartToAMergedModel --gtest_brief=1
}
drive "$small" 1280x720@1
drive "$large" 2560x1440@2
printf 'screenshots in %s and %s\n' "$small" "$large"
