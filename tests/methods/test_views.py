from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vadsdk.kernels.augmentation import apply_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.methods import build_method
from vadsdk.methods.views import ViewMaker
from vadsdk.models import build_model
from vadsdk.models.raw_contract import RawContract

SIZE = (16, 16)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COLOURS = ViewSettings(brightness=0.4, contrast=0.4, saturation=0.6, zoom=(0.6, 1.3))


def frames(seed: int, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 16, 16, 3), generator=generator, dtype=torch.uint8)


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1, 1)


def test_what_a_network_is_taught_is_what_its_file_will_see() -> None:
    """A view that changes nothing gives the pixels that the exported graph computes."""
    network = build_model("r3d-n", 2, {"input_size": 32, "clip_length": 2})
    clips = torch.randint(0, 256, (2, 2, 32, 32, 3), dtype=torch.uint8)
    contract = RawContract(network, network.spec("r3d-n", ("a", "b")))
    seen = clips.permute(0, 4, 1, 2, 3) * contract.scale + contract.offset
    view = build_method("supervised", network)._views.make(clips, "identity")
    torch.testing.assert_close(view.clips, seen, rtol=0, atol=1e-5)
    assert view.clips.min() < -1


def test_gradients_of_an_unchanged_view_are_those_of_the_frames() -> None:
    clips, successors = frames(0), frames(1)
    colours, gradients = ViewMaker(SIZE, 0, mean=MEAN, std=STD).make_with_gradients(
        clips, successors, "identity"
    )
    first, second = (f.permute(0, 4, 1, 2, 3).float() / 255 for f in (clips, successors))
    torch.testing.assert_close(colours.clips, (first - column(MEAN)) / column(STD))
    expected = ((first - second + 1) / 2 - column(MEAN)) / column(STD)
    torch.testing.assert_close(gradients.clips, expected)


@pytest.mark.parametrize("strength", ["strong", COLOURS])
def test_what_stands_still_is_grey_under_every_change_of_the_view(
    strength: str | ViewSettings,
) -> None:
    clips = frames(0)
    _, gradients = ViewMaker(SIZE, 3).make_with_gradients(clips, clips, strength)
    torch.testing.assert_close(gradients.clips, torch.full_like(gradients.clips, 0.5))


def test_both_modalities_are_seen_alike() -> None:
    """Against black the gradient shows the colours themselves."""
    clips = frames(0)
    strength = ViewSettings(flip_probability=0.5, zoom=(0.7, 1.0))
    colours, gradients = ViewMaker(SIZE, 1).make_with_gradients(
        clips, torch.zeros_like(clips), strength
    )
    torch.testing.assert_close(2 * gradients.clips - 1, colours.clips)


def test_in_a_clip_seen_backwards_frames_and_successors_change_places() -> None:
    video = frames(2, count=1).repeat(1, 2, 1, 1, 1)[:, :5]  # five frames, the last two repeated
    clips, successors = video[:, :4], video[:, 1:]
    backwards = ViewSettings(time_reversal_probability=1.0)
    colours, gradients = ViewMaker(SIZE, 0).make_with_gradients(clips, successors, backwards)
    flipped = video.flip(1).permute(0, 4, 1, 2, 3).float() / 255
    torch.testing.assert_close(colours.clips, flipped[:, :, 1:])
    torch.testing.assert_close(gradients.clips, (flipped[:, :, :4] - flipped[:, :, 1:] + 1) / 2)


def test_views_are_joined_with_their_parameters() -> None:
    maker = ViewMaker(SIZE, 0)
    first, second = maker.make(frames(0), "strong"), maker.make(frames(1, count=2), "weak")
    both = first.joined(second)
    assert torch.equal(both.clips[4:], second.clips)
    for name in ("affines", "brightness", "cutouts", "time_reversed"):
        assert torch.equal(
            getattr(both.parameters.rows(torch.arange(4)), name), getattr(first.parameters, name)
        )
        assert len(getattr(both.parameters, name)) == 6


def test_a_mirrored_view_is_the_view_of_the_mirrored_window() -> None:
    torch.manual_seed(0)
    clips = torch.randint(0, 256, (3, 2, 20, 24, 3), dtype=torch.uint8)
    view = ViewMaker((16, 16), 0).make(clips, "strong")
    mirrored = view.mirrored()
    again = apply_view(clips, mirrored.parameters, (16, 16))
    torch.testing.assert_close(again, view.clips.flip(-1), atol=2e-5, rtol=0)
    assert torch.equal(mirrored.mirrored().clips, view.clips)
