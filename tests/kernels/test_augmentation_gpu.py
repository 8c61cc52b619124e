"""Views and moved maps on the card at the sizes of a training step, against the references."""

from __future__ import annotations

import pytest
import torch
from no_waiting import card_waits_for_nobody
from torch import Tensor

from vadsdk.kernels import augmentation
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.kernels.view_sources import IndexedClips

pytestmark = pytest.mark.gpu

BATCH, FRAMES, STORE, SIZE = 16, 8, (256, 256), (224, 224)
MEAN, STD = (0.4, 0.45, 0.5), (0.22, 0.23, 0.25)
VIEW = ViewSettings(
    flip_probability=0.5,
    zoom=(0.6, 1.1),
    rotation_degrees=10,
    shift=0.1,
    brightness=0.4,
    contrast=0.4,
    saturation=0.6,
    cutout_probability=0.5,
    time_reversal_probability=0.3,
    blur_probability=0.3,
)


@pytest.fixture(scope="module")
def bank() -> Tensor:
    return torch.randint(0, 256, (300, *STORE, 3), dtype=torch.uint8)


@pytest.fixture(scope="module")
def parameters() -> ViewParameters:
    return sample_view(BATCH, VIEW)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_views_of_a_bank_are_the_references(
    bank: Tensor, parameters: ViewParameters, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    indices = torch.randint(len(bank), (2, BATCH, FRAMES)).unbind()
    options = {"mean": MEAN, "std": STD}
    clips = (IndexedClips(bank, part) for part in indices)
    expected = augmentation.apply_view_with_gradients(*clips, parameters, SIZE, **options)
    frames, seen = bank.cuda(), parameters.to("cuda")
    on_card = [IndexedClips(frames, part.cuda()) for part in indices]
    with card_waits_for_nobody():
        came = augmentation.apply_view_with_gradients(
            *on_card, seen, SIZE, **options, dtype=dtype, memory_format=layout
        )
        alone = augmentation.apply_view(on_card[0], seen, SIZE, dtype=dtype, memory_format=layout)
    assert alone.shape == came[0].shape
    for own, exact in zip(came, expected, strict=True):
        assert own.is_contiguous(memory_format=layout)
        step = torch.finfo(dtype).eps if dtype == torch.bfloat16 else 0
        torch.testing.assert_close(own.float().cpu(), exact, rtol=step, atol=3e-4)


def test_mirrored_clips_are_copied_bit_for_bit(bank: Tensor) -> None:
    clips = bank[: BATCH * FRAMES].view(BATCH, FRAMES, *STORE, 3).cuda()
    plain, mirrored = (
        augmentation.apply_view(clips, sample_view(BATCH, strength), STORE)
        for strength in ("identity", "mirror")
    )
    assert torch.equal(mirrored, plain.flip(-1))
    expected = clips.permute(0, 4, 1, 2, 3).float() / 255
    torch.testing.assert_close(plain, expected, rtol=0, atol=1e-7)


def test_maps_are_moved_as_the_reference_moves_them_forward_and_backward() -> None:
    maps = torch.randn(BATCH, FRAMES, *SIZE)
    source, target = sample_view(BATCH, VIEW), sample_view(BATCH, VIEW)
    weights = torch.randn(maps.shape)
    own = maps.cuda().requires_grad_()
    moved, valid = augmentation.transfer_maps(own, source.to("cuda"), target.to("cuda"))
    (gradient,) = torch.autograd.grad(moved, own, weights.cuda())
    again, _ = augmentation.transfer_maps(own, source, target)
    (gradient_again,) = torch.autograd.grad(again, own, weights.cuda())
    assert torch.equal(gradient, gradient_again)  # in the same order each time
    exact = maps.double().requires_grad_()
    expected, expected_valid = augmentation.transfer_maps(exact, source, target)
    (expected_gradient,) = torch.autograd.grad(expected, exact, weights.double())
    torch.testing.assert_close(moved.detach().cpu().double(), expected, rtol=0, atol=5e-4)
    torch.testing.assert_close(gradient.cpu().double(), expected_gradient, rtol=0, atol=5e-4)
    assert (valid.cpu() != expected_valid).float().mean() < 1e-5


def test_masks_are_the_references() -> None:
    masks = (torch.rand(BATCH, FRAMES, 16, 16) > 0.5).repeat_interleave(16, 2)
    masks = masks.repeat_interleave(16, 3).to(torch.uint8)
    view = sample_view(BATCH, VIEW)
    came = augmentation.apply_view_to_masks(masks.cuda(), view.to("cuda"), SIZE).cpu()
    expected = augmentation.apply_view_to_masks(masks, view, SIZE)
    assert (came != expected).float().mean() < 1e-4


def test_a_captured_graph_sees_new_views_of_new_clips(
    bank: Tensor, parameters: ViewParameters
) -> None:
    indices = torch.zeros((BATCH, FRAMES), dtype=torch.int64, device="cuda")
    clips = IndexedClips(bank.cuda(), indices)
    packed = parameters.packed().cuda()

    def step() -> Tensor:
        seen = ViewParameters.unpacked(packed)
        return augmentation.apply_view(clips, seen, SIZE, dtype=torch.bfloat16)

    step()  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        view = step()
    fresh, chosen = sample_view(BATCH, VIEW), torch.randint(len(bank), (BATCH, FRAMES))
    packed.copy_(fresh.packed())
    indices.copy_(chosen)
    graph.replay()
    alone = IndexedClips(clips.frames, chosen.cuda())
    expected = augmentation.apply_view(alone, fresh, SIZE, dtype=torch.bfloat16)
    assert torch.equal(view, expected)
