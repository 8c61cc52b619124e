"""The kernels of views against views in float64, written out step by step.

They run on a card, or in Triton's interpreter.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from card_or_interpreter import DEVICE, MARKS, ON_CARD, without_card
from hopper_compilation import kernels_compiled_for_hopper
from poisoned_memory import poisoned
from torch import Tensor

from vadsdk.kernels import augmentation
from vadsdk.kernels.augmentation_triton import make_views
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.kernels.view_sources import IndexedClips, PixelFormat, indexed
from vadsdk.kernels.warping import warp

__all__ = ["poisoned"]

pytestmark = MARKS

STORE = (13, 18)
SIZES = [(13, 18), (11, 16), (20, 23)]
MEAN, STD = (0.4, 0.45, 0.5), (0.22, 0.23, 0.25)
EVERYTHING = ViewSettings(
    flip_probability=0.5,
    zoom=(0.5, 1.4),
    rotation_degrees=20,
    shift=0.2,
    brightness=0.4,
    contrast=0.4,
    saturation=0.6,
    grayscale_probability=0.2,
    cutout_probability=0.7,
    time_reversal_probability=0.5,
    blur_probability=0.6,
)
EXACT = ViewSettings(
    flip_probability=0.5, cutout_probability=0.5, time_reversal_probability=0.5, contrast=0.3
)
PLAIN = PixelFormat((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.float32, torch.contiguous_format)
NORMALISED = PLAIN._replace(mean=MEAN, std=STD)


@pytest.fixture(autouse=True)
def seed() -> int:
    """Return another seed in each run; it is printed where a test fails."""
    value = random.SystemRandom().randrange(2**31)
    sys.stdout.write(f"seed {value}\n")
    torch.manual_seed(value)
    return value


def random_clips(batch: int = 4, frames: int = 3) -> Tensor:
    return torch.randint(0, 256, (batch, frames, *STORE, 3), dtype=torch.uint8)


def views(
    clips: Tensor,
    parameters: ViewParameters,
    size: tuple[int, int],
    pixels: PixelFormat = NORMALISED,
    *,
    successors: Tensor | None = None,
) -> list[Tensor]:
    sources = [indexed(part.to(DEVICE)) for part in (clips, successors) if part is not None]
    return [view.cpu() for view in make_views(tuple(sources), parameters, size, pixels)]


def assert_same(view: Tensor, other: Tensor) -> None:
    """Compare bit for bit; on a card, whose compiler may join other products with sums, nearly."""
    torch.testing.assert_close(view, other, rtol=0, atol=1e-5 if ON_CARD else 0)


def exact_moved(clips: Tensor, parameters: ViewParameters, size: tuple[int, int]) -> Tensor:
    """Return (B, T, 3, h, w) float64 in [0, 1]: frames in order, moved, smoothed."""
    turned = parameters.time_reversed.view(-1, 1, 1, 1, 1)
    frames = torch.where(turned, clips.flip(1), clips).double().movedim(-1, 2) / 255
    wide = (size[0] + 4, size[1] + 4)
    scale = torch.tensor([wide[1] / size[1], wide[0] / size[0], 1.0], dtype=torch.float64)
    moved = []
    for row, clip in enumerate(frames):
        planes = clip.flatten(0, 1)[None]
        matrix = parameters.matrices()[row : row + 1]
        sigma = 0.0 if parameters.blur_sigmas is None else parameters.blur_sigmas[row].item()
        if sigma:
            offsets = torch.arange(-2, 3, dtype=torch.float64)
            bell = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
            around = warp(planes, matrix * scale, wide)[0]
            planes = F.conv2d(around[:, None], (bell / bell.sum())[None, None])[:, 0]
        else:
            planes = warp(planes, matrix, size)[0]
        moved.append(planes.view(len(clip), 3, *size))
    return torch.stack(moved)


def exact_coloured(
    moved: Tensor, seen_clips: Tensor, parameters: ViewParameters, *, normalised: bool
) -> Tensor:
    """Return (B, 3, T, h, w) of moved frames, changed in saturation, contrast and brightness.

    Args:
        moved: (B, T, 3, h, w).
        seen_clips: (B, T, H, W, 3) whose mean brightness counts.
        parameters: B views.
        normalised: by `MEAN` and `STD`.
    """
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    column = (-1, 1, 1, 1, 1)
    saturation, contrast, brightness = (
        values.view(column)
        for values in (parameters.saturation, parameters.contrast, parameters.brightness)
    )
    grey = (moved * luma.view(3, 1, 1)).sum(2, keepdim=True)
    mean = (seen_clips[:, :, ::4, ::4].double() @ luma).mean((1, 2, 3)).view(column) / 255
    view = grey + saturation * (moved - grey)
    view = brightness * (mean + contrast * (view - mean))
    view = view.transpose(1, 2).clone()
    height, width = view.shape[-2:]
    for row, box in enumerate(parameters.cutouts):
        x0, y0, x1, y1 = (round(v) for v in (box * torch.tensor([width, height] * 2)).tolist())
        view[row, :, :, y0:y1, x0:x1] = 0.5
    if normalised:
        mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1, 1) for v in (MEAN, STD))
        view = (view - mean) / std
    return view


@pytest.mark.parametrize(
    ("strength", "size"),
    [*((EVERYTHING, size) for size in SIZES), (EXACT, STORE), ("paper2", (11, 16))],
)
def test_a_view_is_what_its_steps_say(strength: str | ViewSettings, size: tuple[int, int]) -> None:
    clips, parameters = random_clips(), sample_view(4, strength)
    (view,) = views(clips, parameters, size)
    moved = exact_moved(clips, parameters, size)
    expected = exact_coloured(moved, clips, parameters, normalised=True)
    torch.testing.assert_close(view.double(), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", SIZES[:2])
def test_gradients_are_those_of_the_coloured_views(size: tuple[int, int]) -> None:
    clips, successors = random_clips(), random_clips()
    parameters = sample_view(4, EVERYTHING)
    colours, gradients = views(clips, parameters, size, PLAIN, successors=successors)
    both = torch.cat((clips, successors), 1)
    first, second = (
        exact_coloured(exact_moved(part, parameters, size), both, parameters, normalised=False)
        for part in (clips, successors)
    )
    sign = torch.where(parameters.time_reversed, -1.0, 1.0).view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(colours.double(), first, rtol=0, atol=2e-5)
    expected = (sign * (first - second) + 1) / 2
    torch.testing.assert_close(gradients.double(), expected, rtol=0, atol=2e-5)


def test_what_stands_still_has_exactly_the_grey_of_its_normalisation() -> None:
    clips, parameters = random_clips(), sample_view(4, EVERYTHING)
    _, gradients = views(clips, parameters, (11, 16), successors=clips)
    grey = [torch.tensor((0.5 - m) / s) for m, s in zip(MEAN, STD, strict=True)]
    for channel, expected in enumerate(grey):
        assert torch.equal(gradients[:, channel].amin(), gradients[:, channel].amax())
        torch.testing.assert_close(gradients[0, channel, 0, 0, 0], expected)


def test_copies_and_mirror_images_are_the_references_bit_for_bit() -> None:
    clips = random_clips(8)
    parameters = sample_view(8, ViewSettings(flip_probability=0.5, time_reversal_probability=0.5))
    (view,) = views(clips, parameters, STORE, PLAIN)
    assert torch.equal(view, augmentation.apply_view(clips, parameters, STORE))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_half_precision_is_written_once_and_channels_may_lie_last(
    dtype: torch.dtype, layout: torch.memory_format
) -> None:
    clips, successors, parameters = random_clips(2), random_clips(2), sample_view(2, EVERYTHING)
    single = views(clips, parameters, (11, 16), successors=successors)
    pixels = NORMALISED._replace(dtype=dtype, memory_format=layout)
    came = views(clips, parameters, (11, 16), pixels, successors=successors)
    for view, expected in zip(came, single, strict=True):
        assert view.is_contiguous(memory_format=layout)
        # The interpreter cuts off where the card rounds.
        step, atol = torch.finfo(dtype).eps / (2 if ON_CARD else 1), 1e-5 if ON_CARD else 1e-7
        torch.testing.assert_close(view.float(), expected, rtol=step, atol=atol)


def test_clips_may_lie_in_memory_in_any_way() -> None:
    clips, parameters = random_clips(2).to(DEVICE), sample_view(2, EVERYTHING)
    (expected,) = views(clips, parameters, (11, 16))
    planes = clips.permute(0, 1, 4, 2, 3).contiguous().permute(0, 1, 3, 4, 2)
    longer = torch.cat((clips, clips.flip(3)), 1)[:, :3]
    wider = torch.cat((clips, clips), 3)[:, :, :, : STORE[1]]
    for other in (planes, longer, wider):
        assert not other.is_contiguous()
        assert_same(views(other, parameters, (11, 16))[0], expected)
    _, gradients = views(clips, parameters, (11, 16), PLAIN, successors=planes)
    assert (gradients == 0.5).all()


@pytest.mark.parametrize(("batch", "frames"), [(0, 3), (2, 0), (1, 1), (2, 9)])
def test_any_number_of_clips_and_frames_is_seen(batch: int, frames: int) -> None:
    clips, successors = random_clips(batch, frames), random_clips(batch, frames)
    parameters = sample_view(batch, EVERYTHING)
    came = [
        *views(clips, parameters, (11, 16), PLAIN),
        *views(clips, parameters, (11, 16), PLAIN, successors=successors),
    ]
    expected = [
        augmentation.apply_view(clips, parameters, (11, 16)),
        *augmentation.apply_view_with_gradients(clips, successors, parameters, (11, 16)),
    ]
    assert [view.shape for view in came] == [(batch, 3, frames, 11, 16)] * 3
    for view, reference in zip(came, expected, strict=True):
        torch.testing.assert_close(view, reference, rtol=0, atol=3e-5)


def test_frames_of_a_bank_are_seen_where_they_lie() -> None:
    bank, parameters = random_clips(1, 10)[0], sample_view(4, EVERYTHING)
    indices = torch.randint(10, (2, 4, 3))
    sources = [IndexedClips(bank.to(DEVICE), part.to(DEVICE)) for part in indices]
    came = [v.cpu() for v in make_views(tuple(sources), parameters, (11, 16), NORMALISED)]
    clips, successors = bank[indices[0]], bank[indices[1]]
    expected = views(clips, parameters, (11, 16), successors=successors)
    for own, other in zip(came, expected, strict=True):
        assert_same(own, other)


@pytest.mark.parametrize("wrong", [-1, 10, 2**40])
def test_a_frame_that_a_bank_lacks_is_nan(wrong: int) -> None:
    bank, parameters = random_clips(1, 10)[0].to(DEVICE), sample_view(2, EVERYTHING)
    parameters = replace(parameters, cutouts=torch.zeros(2, 4, dtype=torch.float64))
    indices = torch.randint(10, (2, 3))
    indices[0, 1] = wrong
    (view,) = make_views((IndexedClips(bank, indices.to(DEVICE)),), parameters, (11, 16), PLAIN)
    missing = view.isnan()
    at = 1  # the middle frame stays there if time is reversed
    assert missing[0, :, at].all()
    assert missing.sum() == missing[0, :, at].numel()


def test_edges_of_cutouts_are_rounded_as_the_reference_rounds_them() -> None:
    clips, parameters = torch.zeros_like(random_clips(2)), sample_view(2, "identity")
    boxes = [[0.25, 0.35, 0.75, 0.85], [0.05, 0.15, 0.55, 0.45]]  # x.5 of 10 pixels
    parameters = replace(parameters, cutouts=torch.tensor(boxes, dtype=torch.float64))
    (view,) = views(clips, parameters, (10, 10), PLAIN)
    expected = augmentation.apply_view(clips, parameters, (10, 10))
    assert torch.equal(view == 0.5, expected == 0.5)


def test_what_does_not_fit_is_refused() -> None:
    clips, parameters = random_clips().to(DEVICE), sample_view(3, EVERYTHING)
    own = indexed(clips)
    with pytest.raises(ValueError, match="4 clips need 4 views, not 3"):
        make_views((own,), parameters, (11, 16), PLAIN)
    parameters = sample_view(4, EVERYTHING)
    with pytest.raises(ValueError, match=r"is written as one of .* not torch.float64"):
        make_views((own,), parameters, (11, 16), PLAIN._replace(dtype=torch.float64))
    with pytest.raises(ValueError, match="clips and successors are alike"):
        make_views((own, indexed(clips[:, :2])), parameters, (11, 16), PLAIN)
    nothing = IndexedClips(clips[0, :0], own.indices)
    with pytest.raises(ValueError, match="no frames to see"):
        make_views((nothing,), parameters, (11, 16), PLAIN)


@without_card
def test_nothing_reads_a_value_of_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of the meta device have none: to ask for one is an error."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")
    monkeypatch.setattr(interpreter.InterpretedFunction, "run", lambda *args, **kwargs: None)
    clips = random_clips().to("meta")
    indices = torch.empty((4, 3), dtype=torch.int64, device="meta")
    own, banked = indexed(clips), IndexedClips(clips[0], indices)
    parameters = ViewParameters.unpacked(torch.empty((4, 15), dtype=torch.float64, device="meta"))
    with pytest.raises(RuntimeError, match="meta"):
        parameters.brightness.max().item()
    parameters = parameters.rows(indices[:, 0]).mirrored().joined(parameters).rows(indices[:, 1])
    for sources in ((own,), (banked,), (own, replace(banked, frames=own.frames))):
        answers = make_views(sources, parameters, (11, 16), NORMALISED)
        assert all(view.shape == (4, 3, 3, 11, 16) and view.is_meta for view in answers)


PROGRAM = """
import torch
from vadsdk.kernels.augmentation_triton import make_views
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.kernels.view_sources import PixelFormat, indexed
parameters = sample_view(2, ViewSettings(blur_probability=0.5))
for frames, side, num_sources, layout in (
    (8, 64, 2, torch.contiguous_format),
    (1, 63, 1, torch.channels_last_3d),
):
    own = indexed(torch.zeros((2, frames, side, side, 3), dtype=torch.uint8))
    pixels = PixelFormat((0.4,) * 3, (0.2,) * 3, torch.bfloat16, layout)
    make_views((own,) * num_sources, parameters, (side - 8, side), pixels)
"""


@without_card
def test_the_compiler_takes_the_kernels_for_a_card() -> None:
    kernels = ["_blur_kernel", "_luma_sums_kernel", "_move_kernel", "_view_kernel"]
    assert kernels_compiled_for_hopper(PROGRAM) == [*kernels, "_view_plan_kernel"]


@pytest.mark.gpu
def test_what_is_called_by_name_on_a_card_are_these_kernels() -> None:
    parameters = sample_view(2, EVERYTHING)
    clips, successors = random_clips(2).cuda(), random_clips(2).cuda()
    sources = indexed(clips), indexed(successors)
    own = [
        *make_views(sources[:1], parameters, (11, 16), PLAIN),
        *make_views(sources, parameters, (11, 16), PLAIN),
    ]
    called = [
        augmentation.apply_view(clips, parameters, (11, 16)),
        *augmentation.apply_view_with_gradients(clips, successors, parameters, (11, 16)),
    ]
    assert all(torch.equal(a, b) for a, b in zip(own, called, strict=True))
