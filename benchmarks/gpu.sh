#!/usr/bin/env bash
# Everything that needs a card, in one command: the tests marked `gpu`, then the training benchmarks.
#
#     benchmarks/gpu.sh [FOLDER]          results go there (default: benchmarks/results)
#     PYTHON=python3.12 benchmarks/gpu.sh
#
# Wants a CUDA card and a Python >= 3.11 with torch, triton and numpy, and nothing else:
# - no installed package: the checkout is put on PYTHONPATH;
# - no pydantic, no pytest: where they are missing, benchmarks/bare/ has stand-ins with as much of
#   them as defaults of settings and these tests need;
# - no PyAV and no videos: frames are noise in a bank of JHMDB-21's size, made on the spot. Tests that
#   make videos first are run where PyAV and the rest are installed, and else named as left out.
# Takes less than 8 minutes: each part has its limit, and says so when it runs into it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 VADSDK_RESULTS=${1:-$PWD/benchmarks/results}
"$python" - <<'PY' || exit 1
import sys
try:
    import numpy, torch, triton
except ImportError as error:
    sys.exit(f"gpu.sh needs torch, triton and numpy: {error}")
if not torch.cuda.is_available():
    sys.exit("gpu.sh needs a CUDA card; this torch sees none")
print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}")
PY
for name in pydantic pytest; do
  "$python" -c "import $name" 2>/dev/null || export PYTHONPATH=$PYTHONPATH:$PWD/benchmarks/bare/$name
done

failed=0
part() {  # part NAME SECONDS COMMAND...
  local name=$1 limit=$2 started=$SECONDS
  shift 2
  echo "== $name"
  timeout "$limit" "$@"
  local code=$?
  if ((code == 124)); then echo "FAILED: $name took more than $limit s" >&2; fi
  if ((code != 0)); then failed=1; fi
  echo "== $name: exit $code after $((SECONDS - started)) s"
}
mapfile -t tests < <(grep -lE 'mark\.gpu' tests/kernels/test_*.py tests/training/test_step_gpu.py)
videos=(tests/data/test_bank_batches.py tests/training/test_precision_gpu.py)
if "$python" -c 'import av, cv2, pycocotools, pytest, pydantic.version' 2>/dev/null; then
  tests+=("${videos[@]}")
else
  echo "left out, as they make videos and need PyAV and pydantic: ${videos[*]}"
fi
part "GPU tests" 210 "$python" -m pytest -q --noconftest -p no:cacheprovider -m gpu "${tests[@]}"
part "training benchmark" 240 "$python" benchmarks/training.py --device cuda
exit $failed
