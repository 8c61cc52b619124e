"""Ends with what is missing where nothing of `gpu.sh` could run, before minutes are spent on it.

    python benchmarks/card_at_hand.py

Launches one tiny Triton kernel: Triton wants a C compiler and Python's headers when it runs.
"""

from __future__ import annotations

import sys

try:
    import numpy
    import torch
    import triton
    import triton.language as tl
except ImportError as error:
    sys.exit(f"gpu.sh needs torch, triton and numpy: {error}")


@triton.jit
def _count_up(numbers):
    place = tl.arange(0, 16)
    tl.store(numbers + place, place)


def main() -> None:
    """Print the card and the versions, or say why there is no use in going on."""
    if not torch.cuda.is_available():
        sys.exit("gpu.sh needs a CUDA card; this torch sees none")
    numbers = torch.zeros(16, dtype=torch.int32, device="cuda")
    try:
        _count_up[(1,)](numbers)
    except Exception as error:  # whatever it is, it would come again from each kernel
        sys.exit(
            f"Triton cannot launch a kernel here: {error}\n"
            "It needs a C compiler (or CC) and Python's headers (Debian: gcc, python3-dev)"
        )
    if not numpy.array_equal(numbers.cpu().numpy(), numpy.arange(16)):
        sys.exit(f"a tiny kernel gave {numbers.tolist()}, expected 0 to 15")
    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, triton {triton.__version__}")


if __name__ == "__main__":
    main()
