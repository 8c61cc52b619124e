#!/usr/bin/env bash
# Everything that needs a card, in one command: the training benchmarks, then the tests marked `gpu`.
#
#     benchmarks/gpu.sh [FOLDER]          results go there (default: benchmarks/results), and the
#                                         tests' output to FOLDER/logs
#     PYTHON=python3.12 TMPDIR=/fast VADSDK_COMMIT=... benchmarks/gpu.sh
#
# (VADSDK_COMMIT: what is measured, for a copy of the tree without git.)
#
# The second command to run: all 5,900 steps of paper 1 on JHMDB-21, of which the first one takes
# some and extrapolates; at most 580 s, and what is known is written as it goes:
#
#     benchmarks/gpu.sh --whole-run [FOLDER]
#
# Wants a CUDA card and a Python >= 3.11 with torch, triton and numpy, and nothing else:
# - no installed package: the checkout is put on PYTHONPATH;
# - no pydantic, no pytest: where they are missing, benchmarks/bare/ has stand-ins with as much of
#   them as defaults of settings and these tests need;
# - no PyAV and no videos: a bank file of noise, as large as JHMDB-21 (7.6 GB in TMPDIR, less where
#   that is small or slow), is written first, then opened, read from the disk and learned from, out
#   of the card's memory and out of the host's. Tests that make videos are run where PyAV and the
#   rest are installed, and else named as left out.
# The benchmarks have the card for themselves; what they measured is written as they go, to a file
# with the card's name, and last which targets are met. Then all test files run at once, each in a
# process and with a log of its own, as most of their time is compiling on the CPU. Warnings that
# only a card gives are printed in the log and fail nothing.
# Takes less than 8 minutes: kernels at most 75 s and steps 195 s, of which the last quarter begins
# nothing new, and tests 185 s; each part says so when it runs into its limit. The exit status is 0 if
# all parts passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
whole_run=
if [[ ${1:-} == --whole-run ]]; then
  whole_run=yes
  shift
fi
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 VADSDK_RESULTS=${1:-$PWD/benchmarks/results}
"$python" benchmarks/card_at_hand.py || exit 1
if ! git rev-parse HEAD >/dev/null 2>&1; then  # and no record is taken for one of another copy
  export VADSDK_COMMIT=${VADSDK_COMMIT:-unknown, at $(date -u +%FT%TZ)}
fi
for name in pydantic pytest; do
  "$python" -c "import $name" 2>/dev/null || export PYTHONPATH=$PYTHONPATH:$PWD/benchmarks/bare/$name
done

logs=${1:+$1/logs}
logs=${logs:-$(mktemp -d)}
mkdir -p "$logs"
failed=0
part() {  # part NAME SECONDS COMMAND...
  local name=$1 limit=$2 started=$SECONDS
  shift 2
  echo "== $name"
  timeout --kill-after=10 "$limit" "$@"
  local code=$?
  if ((code == 124 || code == 137)); then echo "FAILED: $name took more than $limit s" >&2; fi
  echo "== $name: exit $code after $((SECONDS - started)) s"
  return $code
}
if [[ $whole_run ]]; then
  part "whole run" 580 "$python" benchmarks/training.py --device cuda --whole-run
  exit
fi
# In two processes: a kernel that writes where it must not spoils all that follows in its own.
part "kernel benchmark" 75 "$python" benchmarks/training.py --device cuda --limit 55 \
  --no-step || failed=1
part "step benchmark" 195 "$python" benchmarks/training.py --device cuda --limit 150 \
  --no-kernels --keep || failed=1

# The second pattern is of tests that run in Triton's interpreter where there is no card.
mapfile -t tests < <(grep -lE 'mark\.gpu|card_or_interpreter' \
  tests/kernels/test_*.py tests/benchmarks/test_*.py tests/training/test_*_gpu.py)
videos=(tests/data/test_bank_batches.py)
if "$python" -c 'import av, cv2, hypothesis, pycocotools, pytest, pydantic.version' 2>/dev/null; then
  tests+=("${videos[@]}")
else
  echo "left out, as they make videos and need PyAV and the rest: ${videos[*]}"
fi
cores=$(nproc)
export OMP_NUM_THREADS=$((cores > ${#tests[@]} ? cores / ${#tests[@]} : 1))
jobs=()
for file in "${tests[@]}"; do
  fixtures=--noconftest  # those of the folders need the rest, and only videos need them
  if [[ " ${videos[*]} " == *" $file "* ]]; then fixtures=; fi
  part "$file" 185 "$python" -m pytest -q ${fixtures:+"$fixtures"} -p no:cacheprovider -W default \
    -m gpu "$file" >"$logs/$(basename "$file" .py).log" 2>&1 &
  jobs+=($!)
done
for number in "${!jobs[@]}"; do
  log=$logs/$(basename "${tests[number]}" .py).log
  if wait "${jobs[number]}"; then
    tail -n 3 "$log"
  else
    failed=1
    tail -n 60 "$log"
  fi
done
echo "whole logs: $logs"
exit $failed
