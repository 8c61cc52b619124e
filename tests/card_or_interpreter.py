"""Where tests of kernels run: on the card if there is one, else in Triton's interpreter.

One test serves both: it makes its tensors on `DEVICE` (the interpreter takes those of a CPU;
`conftest.py` turns it on where torch sees no card), and its file says `pytestmark = MARKS`. On a
card each set of constants is compiled for seconds, so that tests there share them.
"""

from __future__ import annotations

import pytest
import torch

ON_CARD = torch.cuda.is_available()
DEVICE = "cuda" if ON_CARD else "cpu"
MARKS = [pytest.mark.gpu] if ON_CARD else []
"""With a card these are its tests: `-m gpu` runs them, too."""
without_card = pytest.mark.skipif(ON_CARD, reason="is about tests without a card")
"""Of a test that looks into the interpreter, or compiles for a card that is not there."""
