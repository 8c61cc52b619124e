"""What no interpreter shows: the kernels of the losses compile, and fit into registers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hopper_compilation import Compiled, compiled_for_hopper

COHERENCE = """
from written_coherence import FORMS
from vadsdk.kernels.coherence_losses_triton import coherence_losses
def answer(dtype, shape):
    return torch.zeros(shape, dtype=getattr(torch, dtype), requires_grad=True)
def step(dtype, name, shape=(2, 8, 32, 32), validity=None):
    form = FORMS[name]
    answers = answer(dtype, shape), answer("float32", shape)
    weights = (0.5,) * len(form.attentions)
    coherence_losses(*answers, form, weights, validity).sum().backward()
step("bfloat16", "both", validity=torch.ones(2, 1, 32, 32))
step("float32", "released", (1, 7, 5, 5))
"""

MASKS = """
from vadsdk.kernels.mask_losses_triton import mask_losses
def step(dtype, masks, weights=None, clips=2):
    logits = torch.zeros((clips, 8, 32, 32), dtype=getattr(torch, dtype), requires_grad=True)
    sum(mask_losses(logits, masks, weights)).backward()
masks = torch.zeros(2, 8, 32, 32)
step("bfloat16", masks.bool(), torch.ones(2))
step("float32", masks[:1], clips=1)
"""


@pytest.mark.parametrize(("program", "num_kernels"), [(COHERENCE, 6), (MASKS, 6)])
def test_kernels_compile_and_spill_no_registers(program: str, num_kernels: int) -> None:
    tests = str(Path(__file__).parents[1])
    compiled = compiled_for_hopper(f"import sys; sys.path.insert(0, {tests!r})\n{program}")
    assert len(compiled) == num_kernels
    assert [kernel for kernel in compiled if kernel.spilled_bytes] == []
    assert [kernel for kernel in compiled if sums_leave_registers(kernel)] == []


def sums_leave_registers(kernel: Compiled) -> bool:
    """Whether frames of a pixel lie in several threads: then their sums take shared memory."""
    return "finish" not in kernel.kernel and kernel.shared_bytes > 256
