"""The kernels that move maps against torch's own sampling in float64, forward and backward.

They run on a card, or in Triton's interpreter.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest
import torch
from card_or_interpreter import DEVICE, MARKS, without_card
from hopper_compilation import kernels_compiled_for_hopper
from poisoned_memory import poisoned
from torch import Tensor

from vadsdk.kernels import augmentation
from vadsdk.kernels import view_maps_triton as kernels
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings

__all__ = ["poisoned"]

pytestmark = MARKS

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


def assert_same_undoing(maps: Tensor, settings: ViewSettings, size: tuple[int, int]) -> None:
    view = sample_view(len(maps), settings)
    assert_same_move(
        maps,
        lambda own: kernels.undo_view(own, view, size),
        lambda exact: augmentation.undo_view(exact, view, size),
    )


def assert_same_transfer(maps: Tensor, settings: ViewSettings) -> None:
    source, target = (sample_view(len(maps), settings) for _ in range(2))
    assert_same_move(
        maps,
        lambda own: kernels.transfer_maps(own, source, target),
        lambda exact: augmentation.transfer_maps(exact, source, target),
    )


@pytest.mark.parametrize("size", [SIZE, (20, 9)])
@pytest.mark.parametrize("settings", [GEOMETRY, COPIES], ids=["moved", "copied"])
def test_maps_are_taken_back_into_the_store(settings: ViewSettings, size: tuple[int, int]) -> None:
    assert_same_undoing(torch.randn(4, 3, *SIZE), settings, size)


@pytest.mark.parametrize("num_frames", [1, 3, 9])
def test_maps_of_one_view_are_taken_into_another(num_frames: int) -> None:
    assert_same_transfer(torch.randn(3, num_frames, *SIZE), GEOMETRY)


@pytest.mark.parametrize("move", ["undo", "transfer"])
def test_the_references_own_gradients_are_those_of_small_changes(move: str) -> None:
    maps = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    view, target = sample_view(2, GEOMETRY), sample_view(2, GEOMETRY)

    def moved(exact: Tensor) -> Tensor:
        if move == "undo":
            return augmentation.undo_view(exact, view, (4, 7))[0]
        return augmentation.transfer_maps(exact, view, target)[0]

    assert torch.autograd.gradcheck(moved, maps)


def test_half_precision_maps_are_moved_in_single_precision() -> None:
    maps = torch.randn(3, 3, *SIZE).bfloat16()
    assert_same_undoing(maps, GEOMETRY, SIZE)
    assert_same_transfer(maps, GEOMETRY)


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


@pytest.mark.parametrize("move", ["undo", "transfer"])
def test_maps_and_their_gradients_may_lie_in_memory_in_any_way(move: str) -> None:
    maps = torch.randn(4, *SIZE, 3).permute(0, 3, 1, 2)
    view, target = sample_view(4, GEOMETRY), sample_view(4, GEOMETRY)
    leaves = maps.to(DEVICE), maps.double().contiguous()
    assert not leaves[0].is_contiguous()
    answers = []
    for leaf, module in zip(leaves, (kernels, augmentation), strict=True):
        leaf.requires_grad_()
        if move == "undo":
            moved, _ = module.undo_view(leaf, view, SIZE)
        else:
            moved, _ = module.transfer_maps(leaf, view, target)
        moved.sum().backward()  # an expanded gradient: all strides are 0
        assert leaf.grad is not None
        answers.append((moved.detach().cpu().double(), leaf.grad.cpu().double()))
    torch.testing.assert_close(*answers, rtol=0, atol=5e-5)


@pytest.mark.parametrize(("batch", "num_frames"), [(0, 3), (2, 0)])
def test_there_may_be_no_clips_or_no_frames(batch: int, num_frames: int) -> None:
    maps = torch.randn(batch, num_frames, *SIZE)
    view, target = sample_view(batch, GEOMETRY), sample_view(batch, GEOMETRY)
    of_modules = []
    for module, device in ((kernels, DEVICE), (augmentation, "cpu")):
        leaf = maps.to(device).requires_grad_()
        undone = module.undo_view(leaf, view, (9, 11))
        transferred = module.transfer_maps(leaf, view, target)
        seen = module.apply_view_to_masks(leaf.detach(), view, (9, 11))
        (gradient,) = torch.autograd.grad(undone[0].sum() + transferred[0].sum(), leaf)
        of_modules.append([t.cpu() for t in (*undone, *transferred, seen, gradient)])
    shapes = [tuple(t.shape) for t in of_modules[0]]
    undone, transferred = (batch, num_frames, 9, 11), (batch, num_frames, *SIZE)
    valid = [(batch, 1, 9, 11), (batch, 1, *SIZE)]
    assert shapes == [undone, valid[0], transferred, valid[1], undone, transferred]
    torch.testing.assert_close(*of_modules, rtol=0, atol=0)


def block_masks() -> Tensor:
    """Blocks of pixels: at their edges the share of a mask is far from one half but for chance."""
    return (torch.rand(5, 3, 4, 5) < 0.5).repeat_interleave(4, 2).repeat_interleave(4, 3)


def assert_same_masks(masks: Tensor, settings: ViewSettings) -> None:
    view = sample_view(5, settings)
    came = kernels.apply_view_to_masks(masks, view, (12, 15)).cpu()
    share = augmentation.warp(
        augmentation.reverse_time(masks.cpu().double(), view.time_reversed, dim=1),
        view.matrices(),
        (12, 15),
    )
    sure = (share - 0.5).abs() > 1e-4
    assert torch.equal(came[sure], (share > 0.5)[sure].float())
    assert set(came.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32])
def test_masks_are_those_of_the_reference(dtype: torch.dtype) -> None:
    for settings in (GEOMETRY, COPIES):
        assert_same_masks(block_masks().to(DEVICE, dtype), settings)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_masks_may_lie_in_memory_in_any_way(dtype: torch.dtype) -> None:
    masks = block_masks().to(DEVICE, dtype)
    turned = masks.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    expanded = masks[:, :1].expand(-1, 3, -1, -1)
    cut_out = torch.cat((masks, masks.flip(3)), 3)[:, 1:, :, 3:-4]
    for layout in (turned, expanded, cut_out):
        assert not layout.is_contiguous()
        assert_same_masks(layout, GEOMETRY)


def test_maps_need_a_view_each() -> None:
    maps = torch.randn(4, 3, *SIZE, device=DEVICE)
    three, four = sample_view(3, GEOMETRY), sample_view(4, GEOMETRY)
    with pytest.raises(ValueError, match="4 clips need 4 views, not 3"):
        kernels.undo_view(maps, three, SIZE)
    with pytest.raises(ValueError, match="4 clips need 4 views, not 3"):
        kernels.transfer_maps(maps, four, three)


@without_card
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


@without_card
def test_the_compiler_takes_the_kernels_for_a_card() -> None:
    expected = ["_maps_plan_kernel", "_move_back_kernel", "_move_kernel"]
    assert kernels_compiled_for_hopper(PROGRAM) == expected


@pytest.mark.gpu
def test_what_is_called_by_name_on_a_card_are_these_kernels() -> None:
    maps, view = torch.randn(4, 3, *SIZE, device="cuda"), sample_view(4, GEOMETRY)
    answers = [
        (
            *module.undo_view(maps, view, (20, 9)),
            *module.transfer_maps(maps, view, view.mirrored()),
            module.apply_view_to_masks((maps > 0).float(), view, (20, 9)),
        )
        for module in (kernels, augmentation)
    ]
    for own, called in zip(*answers, strict=True):
        assert torch.equal(own, called)


@pytest.mark.gpu
def test_float64_maps_on_a_card_are_moved_as_on_a_cpu() -> None:
    maps, view = torch.randn(4, 3, *SIZE, dtype=torch.float64), sample_view(4, GEOMETRY)
    for move in (
        lambda own: augmentation.undo_view(own, view, (20, 9)),
        lambda own: augmentation.transfer_maps(own, view, view.mirrored()),
    ):
        for own, expected in zip(move(maps.cuda()), move(maps), strict=True):
            torch.testing.assert_close(own.cpu(), expected, rtol=0, atol=1e-9)
