"""Which bytes the benchmark says that a view must read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.kernels.warping import warp

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STORED, SIZE = (20, 26), (14, 15)


@pytest.fixture
def footprints(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import footprints

    return footprints


@pytest.mark.parametrize("strength", ["identity", "mirror", "weak", "strong"])
@pytest.mark.parametrize("size", [SIZE, STORED])
def test_read_pixels_are_those_that_a_warp_gives_a_gradient(
    footprints: Any, strength: str, size: tuple[int, int]
) -> None:
    view = sample_view(6, strength, torch.Generator().manual_seed(1), aspect_ratio=26 / 20)
    stored = torch.rand(6, 1, *STORED, dtype=torch.float64, requires_grad=True)
    shown = footprints.uncut_pixels(view, size)
    (slopes,) = torch.autograd.grad(
        (warp(stored, view.matrices(), size)[:, 0] * shown).sum(), stored
    )
    read = footprints.read_pixels(view.matrices(), size, STORED, shown)
    assert torch.equal(read, slopes[:, 0] > 1e-6)
    assert read.any()
    sees = footprints.seeing_pixels(view.matrices(), size, STORED)
    ones = torch.ones(6, 1, *STORED, dtype=torch.float64)
    assert torch.equal(sees, warp(ones, view.matrices(), size)[:, 0] > 1e-6)


def test_a_view_of_half_the_frame_reads_about_a_quarter(footprints: Any) -> None:
    view = sample_view(8, ViewSettings(zoom=(0.5, 0.5)), torch.Generator().manual_seed(0))
    read = footprints.read_pixels(view.matrices(), (224, 224), (256, 256), None)
    assert read.float().mean().item() == pytest.approx(0.25, abs=0.01)


def test_cut_outs_hide_what_is_seen(footprints: Any) -> None:
    settings = ViewSettings(cutout_probability=1.0)
    view = sample_view(5, settings, torch.Generator().manual_seed(0))
    seen = footprints.uncut_pixels(view, (100, 100))
    x0, y0, x1, y1 = view.cutouts.unbind(1)
    expected = 1 - (x1 - x0) * (y1 - y0)
    assert seen.float().mean((1, 2)).tolist() == pytest.approx(expected.tolist(), abs=0.01)
    assert not seen.all()


def test_brightness_takes_every_fourth_row_and_column_where_contrast_changes(
    footprints: Any,
) -> None:
    changed = sample_view(2, ViewSettings(contrast=0.5), torch.Generator().manual_seed(0))
    read = footprints.brightness_pixels(changed, (9, 12))
    assert read.sum().item() == 2 * 3 * 3
    assert read[:, ::4, ::4].all()
    assert not footprints.brightness_pixels(sample_view(2, "identity"), (9, 12)).any()


@pytest.mark.parametrize(
    ("pixel", "pixel_bytes", "sectors"),
    [(0, 1, 1), (10, 3, 2), (9, 3, 1), (7, 4, 1), (39, 1, 1)],  # the tenth pixel ends in the second
)
def test_a_pixel_brings_its_sectors_along(
    footprints: Any, pixel: int, pixel_bytes: int, sectors: int
) -> None:
    pixels = torch.zeros(2, 4, 10, dtype=torch.bool)
    pixels[1].view(-1)[pixel] = True
    assert footprints.sector_bytes(pixels, pixel_bytes) == 32 * sectors
    assert footprints.sector_bytes(torch.zeros_like(pixels), pixel_bytes) == 0
