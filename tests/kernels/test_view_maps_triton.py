"""The kernels that move maps against torch's own sampling in float64, forward and backward.

Where there is no card they run in Triton's interpreter.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest
import torch
from fresh_memory import fresh_memory_is_nan
from hopper_compilation import kernels_compiled_for_hopper
from torch import Tensor

from vadsdk.kernels import augmentation
from vadsdk.kernels import view_maps_triton as kernels
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZE = (13, 17)
GEOMETRY = ViewSettings(
    flip_probability=0.5,
    zoom=(0.4, 1.6),
    rotation_degrees=25,
    shift=0.2,
    time_reversal_probability=0.5,
)
COPIES = ViewSettings(flip_probability=0.5, time_reversal_probability=0.5)
Move = Callable[[Tensor], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def seed() -> int:
    """Return another seed in each run; it is printed where a test fails."""
    value = random.SystemRandom().randrange(2**31)
    sys.stdout.write(f"seed {value}\n")
    torch.manual_seed(value)
    return value


def assert_same_move(maps: Tensor, kernel: Move, reference: Move) -> None:
    """Compare a kernel with its reference in float64: maps, validity, gradients of any loss."""
    own = maps.to(DEVICE).detach().requires_grad_()
    exact = maps.double().detach().requires_grad_()
    with fresh_memory_is_nan():
        moved, valid = kernel(own)
        weights = torch.randn(moved.shape)
        (gradient,) = torch.autograd.grad(moved, own, weights.to(DEVICE))
    expected, expected_valid = reference(exact)
    (expected_gradient,) = torch.autograd.grad(expected, exact, weights.double())
    assert moved.dtype == valid.dtype == torch.float32
    assert gradient.dtype == maps.dtype
    step = torch.finfo(maps.dtype).eps
    tolerances = {"rtol": step, "atol": 5e-5}
    torch.testing.assert_close(moved.cpu().double(), expected, rtol=0, atol=5e-5)
    torch.testing.assert_close(gradient.cpu().double(), expected_gradient, **tolerances)
    assert torch.equal(valid.cpu().double(), expected_valid)


@pytest.mark.parametrize("size", [SIZE, (20, 9)])
@pytest.mark.parametrize("settings", [GEOMETRY, COPIES], ids=["moved", "copied"])
def test_maps_are_taken_back_into_the_store(settings: ViewSettings, size: tuple[int, int]) -> None:
    maps, view = torch.randn(4, 3, *SIZE), sample_view(4, settings)
    assert_same_move(
        maps,
        lambda own: kernels.undo_view(own, view, size),
        lambda exact: augmentation.undo_view(exact, view, size),
    )


@pytest.mark.parametrize("num_frames", [1, 3, 9])
def test_maps_of_one_view_are_taken_into_another(num_frames: int) -> None:
    maps = torch.randn(3, num_frames, *SIZE)
    source, target = sample_view(3, GEOMETRY), sample_view(3, GEOMETRY)
    assert_same_move(
        maps,
        lambda own: kernels.transfer_maps(own, source, target),
        lambda exact: augmentation.transfer_maps(exact, source, target),
    )


def test_the_references_own_gradients_are_those_of_small_changes() -> None:
    maps, view = torch.randn(2, 2, 5, 6, dtype=torch.float64), sample_view(2, GEOMETRY)
    assert torch.autograd.gradcheck(
        lambda exact: augmentation.undo_view(exact, view, (4, 7))[0], maps.requires_grad_()
    )


def test_half_precision_maps_are_moved_in_single_precision() -> None:
    maps, view = torch.randn(3, 3, *SIZE).bfloat16(), sample_view(3, GEOMETRY)
    assert_same_move(
        maps,
        lambda own: kernels.undo_view(own, view, SIZE),
        lambda exact: augmentation.undo_view(exact, view, SIZE),
    )


def test_copies_and_mirror_images_are_exact_beside_what_is_not_finite() -> None:
    maps, view = torch.randn(8, 3, *SIZE), sample_view(8, COPIES)
    maps[torch.rand(maps.shape) < 0.1] = float("nan")
    maps[torch.rand(maps.shape) < 0.1] = float("inf")
    expected, _ = augmentation.undo_view(maps, view, SIZE)
    came, valid = kernels.undo_view(maps.to(DEVICE), view, SIZE)
    assert torch.equal(came.cpu().nan_to_num(7.0), expected.nan_to_num(7.0))
    assert valid.all()


def test_equal_views_are_compared_bit_for_bit() -> None:
    maps, view = torch.randn(4, 3, *SIZE), sample_view(4, GEOMETRY)
    came, _ = kernels.transfer_maps(maps.to(DEVICE), view, view)
    assert torch.equal(came.cpu(), maps)


def test_maps_and_their_gradients_may_lie_in_memory_in_any_way() -> None:
    maps, view = torch.randn(4, *SIZE, 3).permute(0, 3, 1, 2), sample_view(4, GEOMETRY)
    assert not maps.is_contiguous()
    own = maps.to(DEVICE).requires_grad_()
    moved, _ = kernels.undo_view(own, view, SIZE)
    moved.sum().backward()  # an expanded gradient: all strides are 0
    exact = maps.detach().double().contiguous().requires_grad_()
    expected, _ = augmentation.undo_view(exact, view, SIZE)
    expected.sum().backward()
    assert own.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(moved.cpu().double(), expected, rtol=0, atol=5e-5)
    torch.testing.assert_close(own.grad.cpu().double(), exact.grad, rtol=0, atol=5e-5)


@pytest.mark.parametrize(("batch", "num_frames"), [(0, 3), (2, 0)])
def test_there_may_be_no_clips_or_no_frames(batch: int, num_frames: int) -> None:
    maps = torch.randn(batch, num_frames, *SIZE, device=DEVICE, requires_grad=True)
    view = sample_view(batch, GEOMETRY)
    with fresh_memory_is_nan():
        moved, valid = kernels.undo_view(maps, view, (9, 11))
    moved.sum().backward()
    assert maps.grad is not None
    assert maps.grad.shape == maps.shape
    assert moved.shape == (batch, num_frames, 9, 11)
    _, expected = augmentation.undo_view(torch.zeros(batch, 1, *SIZE), view, (9, 11))
    assert torch.equal(valid.cpu(), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32])
def test_masks_are_those_of_the_reference(dtype: torch.dtype) -> None:
    # Blocks of pixels: at their edges the share of a mask is far from one half but for chance.
    blocks = torch.rand(5, 3, 4, 5) < 0.5
    masks = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3).to(dtype)
    for settings in (GEOMETRY, COPIES):
        view = sample_view(5, settings)
        with fresh_memory_is_nan():
            came = kernels.apply_view_to_masks(masks.to(DEVICE), view, (12, 15)).cpu()
        share = augmentation.warp(
            augmentation.reverse_time(masks.double(), view.time_reversed, dim=1),
            view.matrices(),
            (12, 15),
        )
        sure = (share - 0.5).abs() > 1e-4
        assert torch.equal(came[sure], (share > 0.5)[sure].float())
        assert set(came.unique().tolist()) <= {0.0, 1.0}


def test_maps_need_a_view_each() -> None:
    maps = torch.randn(4, 3, *SIZE, device=DEVICE)
    three, four = sample_view(3, GEOMETRY), sample_view(4, GEOMETRY)
    with pytest.raises(ValueError, match="4 clips need 4 views, not 3"):
        kernels.undo_view(maps, three, SIZE)
    with pytest.raises(ValueError, match="4 clips need 4 views, not 3"):
        kernels.transfer_maps(maps, four, three)


@pytest.mark.skipif(DEVICE == "cuda", reason="needs the interpreter's launches")
def test_nothing_reads_a_value_of_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of the meta device have none: to ask for one is an error."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")
    monkeypatch.setattr(interpreter.InterpretedFunction, "run", lambda *args, **kwargs: None)
    maps = torch.empty(4, 3, *SIZE, device="meta", requires_grad=True)
    view = ViewParameters.unpacked(torch.empty((4, 14), dtype=torch.float64, device="meta"))
    for moved, valid in (
        kernels.undo_view(maps, view, (20, 9)),
        kernels.transfer_maps(maps, view, view.mirrored()),
    ):
        (gradient,) = torch.autograd.grad(moved.sum(), maps)
        assert gradient.shape == maps.shape
        assert valid.shape == (4, 1, *moved.shape[2:])
    masks = kernels.apply_view_to_masks(maps.detach() > 0, view, (20, 9))
    assert masks.shape == (4, 3, 20, 9)


PROGRAM = """
import torch
from vadsdk.kernels import view_maps_triton as kernels
from vadsdk.kernels.view_parameters import sample_view
view = sample_view(2, "strong")
for frames, dtype in ((8, torch.float32), (1, torch.bfloat16)):
    maps = torch.zeros(2, frames, 64, 48, dtype=dtype, requires_grad=True)
    moved, _ = kernels.transfer_maps(maps, view, view)
    torch.autograd.grad(moved, maps, torch.ones_like(moved))
    torch.autograd.grad(kernels.undo_view(maps, view, (50, 40))[0].sum(), maps)
    kernels.apply_view_to_masks(maps.detach() > 0, view, (50, 40))
"""


def test_the_compiler_takes_the_kernels_for_a_card() -> None:
    expected = ["_maps_plan_kernel", "_move_back_kernel", "_move_kernel"]
    assert kernels_compiled_for_hopper(PROGRAM) == expected
