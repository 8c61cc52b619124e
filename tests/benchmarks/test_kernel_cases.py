"""The cases that the benchmark times: their bytes, and that all of them run through the kernels."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")
CLIPS, LABELLED, FRAMES, SIDE, POSITIONS = 2, 1, 4, 32, 1
AREA = SIDE * SIDE
NUMBERS = CLIPS * FRAMES * AREA


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes the cases by name, of a store that is as large as its views."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kernel_cases
    import view_cases

    def made(strength: str) -> dict[str, Any]:
        monkeypatch.setattr(view_cases, "STRENGTH", strength)
        shape = kernel_cases.Shape(
            num_clips=CLIPS,
            num_labelled=LABELLED,
            num_frames=FRAMES,
            stored=(SIDE, SIDE),
            side=SIDE,
            bank_frames=24,
            positions_a_clip=POSITIONS,
        )
        makers = (view_cases.view_cases, kernel_cases.routing_cases, kernel_cases.loss_cases)
        torch.manual_seed(0)
        return {case.name: case for make in makers for case in make(CPU, shape)}

    return made


def test_what_changes_nothing_reads_and_writes_everything_once(cases: Any) -> None:
    found = {name: case.num_bytes for name, case in cases("identity").items()}
    rgb, validity = 3 * NUMBERS, 4 * CLIPS * AREA
    maps = 4 * NUMBERS
    assert found["apply_view"] == rgb + 2 * rgb
    assert found["apply_view_fp32"] == rgb + 4 * rgb
    assert found["apply_view_with_gradients"] == 2 * (rgb + 2 * rgb)
    assert found["apply_view_to_masks"] == LABELLED * FRAMES * AREA * (1 + 4)
    assert found["transfer_maps"] == found["undo_view"] == 4 * maps + validity
    assert found["temporal_coherence"] == found["gradient_smoothness"] == 6 * maps + 2 * validity
    assert found["temporal_coherence_bf16"] == 3 * maps + 3 * maps // 2 + 2 * validity
    assert found["bce_and_dice"] == LABELLED * FRAMES * AREA * (3 * 4 + 2 * 4)
    assert found["bce_and_dice_bf16"] == LABELLED * FRAMES * AREA * (3 * 2 + 2 * 4)
    positions = CLIPS * POSITIONS
    capsules, parameters = positions * 32 * 17, 32 * 24 * 16 + 24 * 17
    answers = positions * 24 * 17
    assert found["em_routing"] == 3 * (2 * capsules + 4 * parameters) + 2 * 4 * answers
    assert found["em_routing_fp32"] == 3 * 4 * (capsules + parameters) + 2 * 4 * answers


def test_a_strong_view_needs_fewer_bytes_of_the_store_and_some_for_its_brightness(
    cases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, strong = cases("identity"), cases("strong")
    assert strong["transfer_maps"].num_bytes < whole["transfer_maps"].num_bytes
    assert strong["apply_view_to_masks"].num_bytes <= whole["apply_view_to_masks"].num_bytes
    import view_cases

    with_brightness = strong["apply_view"].num_bytes
    monkeypatch.setattr(
        view_cases, "brightness_pixels", lambda view, size: torch.zeros(CLIPS, *size).bool()
    )
    without = cases("strong")["apply_view"].num_bytes
    assert with_brightness - without == CLIPS * FRAMES * 3 * AREA // 4  # every fourth row
    assert without < whole["apply_view"].num_bytes


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled where there is a card")
def test_every_case_runs_through_its_kernel(cases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cases("strong")
    del made["em_routing_fp32"]  # takes seconds, and is what its own tests try
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: True), raising=False)
    launched: list[str] = []
    for name, case in made.items():
        module, kernel = KERNELS[name.removesuffix("_bf16").removesuffix("_fp32")]
        kernels = import_module(f"vadsdk.kernels.{module}")
        with monkeypatch.context() as context:
            context.setattr(kernels, kernel, _Watched(getattr(kernels, kernel), name, launched))
            case.run()
    assert launched == list(made)


KERNELS = {
    "apply_view": ("augmentation_triton", "_view_kernel"),
    "apply_view_with_gradients": ("augmentation_triton", "_view_kernel"),
    "apply_view_to_masks": ("view_maps_triton", "_move_kernel"),
    "transfer_maps": ("view_maps_triton", "_move_back_kernel"),
    "undo_view": ("view_maps_triton", "_move_back_kernel"),
    "em_routing": ("routing_triton", "backward_kernel"),
    "temporal_coherence": ("coherence_losses_triton", "slope_kernel"),
    "gradient_smoothness": ("coherence_losses_triton", "slope_kernel"),
    "bce_and_dice": ("mask_losses_triton", "_slope_kernel"),
}


class _Watched:
    """A kernel that notes for which case it is launched."""

    def __init__(self, kernel: Any, name: str, launched: list[str]) -> None:
        self._kernel, self._name, self._launched = kernel, name, launched

    def __getitem__(self, grid: Any) -> Any:
        self._launched.append(self._name)
        return self._kernel[grid]
