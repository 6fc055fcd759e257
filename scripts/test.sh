#!/usr/bin/env bash
# Sets up, builds and runs all tests; the last line counts them.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--preset release|debug|sanitize] [CTEST ARGUMENTS…]

Sets up, builds and runs the tests, two at a time on two cores. Arguments go to ctest: -L unit|golden|kernels|e2e,
-R PATTERN. DORABOOTH_FIXTURES=DIR points the golden tests at another fixture folder of the same form.
The last line is "N passed, N failed, N skipped".
TEXT
}

preset=release
case ${1:-} in
  --help | -h) usage; exit 0 ;;
  --preset)
    preset=${2:?--preset needs a name}
    shift 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
scripts/build.sh --preset "$preset"

# Threads that wait without spinning: on a busy machine, spinning costs up to ten times the work.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
report=build/$preset/ctest.xml
rm -f "$report"
status=0
ctest --preset "$preset" --parallel "$(nproc)" --timeout 900 --no-tests=error --output-junit ctest.xml "$@" \
  </dev/null || status=$?
[ -f "$report" ] || { echo "test: ctest wrote no report" >&2; exit 1; }

# <testsuite … tests="12" failures="0" disabled="0" skipped="1" …>
count() { sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$report" | head -n 1; }
tests=$(count tests) failed=$(count failures)
skipped=$(($(count skipped) + $(count disabled)))
if [ "$failed" -gt 0 ] && [ "$status" -eq 0 ]; then status=1; fi
echo "$((tests - failed - skipped)) passed, $failed failed, $skipped skipped"
exit "$status"
