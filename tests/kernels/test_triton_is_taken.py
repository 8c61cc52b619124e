"""Tensors of a card take the kernels, for their device alone; these only say that they lie there.

Fake tensors have a device but no values: nothing is computed, and to look at a value is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import vadsdk.kernels
from vadsdk.kernels import (
    augmentation,
    augmentation_triton,
    coherence_loop,
    coherence_losses,
    coherence_losses_triton,
    mask_losses,
    mask_losses_triton,
    routing,
    routing_triton,
    temporal_maps,
    view_maps_triton,
)
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_sources import IndexedClips

KERNELS = {
    augmentation_triton: ("make_views",),
    view_maps_triton: ("undo_view", "transfer_maps", "apply_view_to_masks"),
    coherence_losses_triton: ("coherence_losses",),
    mask_losses_triton: ("mask_losses",),
    routing_triton: ("em_routing",),
}
PLAIN_FORMS = {augmentation: ("warp", "reverse_time"), routing: ("_in_chunks",)}
"""What those begin with that some tensors of a card take."""
SIZE = (11, 16)
VIEW = sample_view(4, "strong")
EVERY_TYPE = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])


class BegunError(Exception):
    """Says what a call came to."""


@pytest.fixture
def end_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls end where a kernel, or a plain form, would begin."""
    for module, names in (KERNELS | PLAIN_FORMS).items():
        for name in names:
            place = f"{module.__name__}.{name}".removeprefix("vadsdk.kernels.")

            def end(*given: Any, place: str = place, **more: Any) -> None:
                raise BegunError(place)

            monkeypatch.setattr(module, name, end)


def begun_by(call: Callable[[], object]) -> str:
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(BegunError) as begun:
        call()
    return str(begun.value)


def on_card(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(size, dtype=dtype, device="cuda")


def maps(dtype: torch.dtype = torch.float32) -> Tensor:
    return on_card(4, 8, 13, 18, dtype=dtype)


@pytest.mark.usefixtures("end_there")
@pytest.mark.parametrize("are_banked", [False, True])
def test_clips_are_seen_by_the_kernels_wherever_on_the_card_they_lie(are_banked: bool) -> None:
    def clips() -> Tensor | IndexedClips:
        own = on_card(4, 3, 13, 18, 3, dtype=torch.uint8)
        if not are_banked:
            return own
        return IndexedClips(own.flatten(0, 1), on_card(4, 3, dtype=torch.int64))

    for call in (
        lambda: augmentation.apply_view(clips(), VIEW, SIZE),
        lambda: augmentation.apply_view_with_gradients(clips(), clips(), VIEW, SIZE),
    ):
        assert begun_by(call) == "augmentation_triton.make_views"


@pytest.mark.usefixtures("end_there")
@EVERY_TYPE
def test_maps_are_moved_by_the_kernels_but_in_float64(dtype: torch.dtype) -> None:
    calls: dict[tuple[str, str], Callable[[], object]] = {
        ("undo_view", "warp"): lambda: augmentation.undo_view(maps(dtype), VIEW, SIZE),
        ("transfer_maps", "warp"): lambda: augmentation.transfer_maps(maps(dtype), VIEW, VIEW),
        ("apply_view_to_masks", "reverse_time"): lambda: augmentation.apply_view_to_masks(
            maps(dtype), VIEW, SIZE
        ),
    }
    for (kernel, plain), call in calls.items():
        in_float64 = dtype == torch.float64
        place = f"augmentation.{plain}" if in_float64 else f"view_maps_triton.{kernel}"
        assert begun_by(call) == place


@pytest.mark.usefixtures("end_there")
@EVERY_TYPE
@pytest.mark.parametrize("module", [coherence_losses, coherence_loop])
def test_coherence_losses_of_any_type_are_the_kernels(module: Any, dtype: torch.dtype) -> None:
    def call() -> object:
        seen = on_card(4, 1, 13, 18)
        return module.coherence_losses(maps(dtype), maps(dtype), CoherenceForm(), (0.5,), seen)

    assert begun_by(call) == "coherence_losses_triton.coherence_losses"


@pytest.mark.usefixtures("end_there")
@EVERY_TYPE
def test_mask_losses_of_any_type_are_the_kernels(dtype: torch.dtype) -> None:
    def call() -> object:
        return mask_losses.mask_losses(maps(dtype), maps(torch.bool), on_card(4))

    assert begun_by(call) == "mask_losses_triton.mask_losses"


def route(dtype: torch.dtype = torch.float32, mode: routing.RoutingMode = "em") -> object:
    sizes = (5, 3, 4, 4), (5, 3), (3, 2, 4, 4), (2, 16), (2,)
    return routing.em_routing(*(on_card(*size, dtype=dtype) for size in sizes), mode=mode)


@pytest.mark.usefixtures("end_there")
def test_routing_takes_the_kernel_but_for_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, plain = "routing_triton.em_routing", "routing._in_chunks"
    assert begun_by(route) == kernel
    assert begun_by(lambda: route(torch.bfloat16)) == kernel
    assert begun_by(lambda: route(torch.float64)) == plain
    assert begun_by(lambda: route(mode="released")) == plain
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert begun_by(route) == plain


def test_every_module_of_kernels_that_others_take_is_tested_here() -> None:
    folder = Path(vadsdk.kernels.__file__).parent
    takers = [path for path in folder.glob("*.py") if not path.stem.endswith("_triton")]
    text = "".join(path.read_text(encoding="utf-8") for path in takers)
    found = re.findall(r"import (\w+_triton)|kernels\.(\w+_triton) import", text)
    taken = {name for names in found for name in names if name}
    assert taken == {module.__name__.rpartition(".")[2] for module in KERNELS}


class _Products(TorchDispatchMode):
    """Notes the types of what is multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.overloadpacket.__name__ in ("mm", "bmm"):
            self.dtypes |= {factor.dtype for factor in args}
        return func(*args, **(kwargs or {}))


def test_sums_over_time_are_exact_on_a_card_whatever_it_may_round_factors_to() -> None:
    with FakeTensorMode(), _Products() as products:
        temporal_maps._over_time(on_card(8, 8, dtype=torch.float64), maps())
    assert products.dtypes == {torch.float64}
