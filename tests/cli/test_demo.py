from __future__ import annotations

from pathlib import Path

import pytest
from tiny_data import LABELS, add_video, make_tube
from typer.testing import CliRunner

from vadsdk.cli.app import app
from vadsdk.data.native_writer import write_dataset


@pytest.mark.parametrize(
    ("split", "fraction", "text"),
    [
        ("train", 0.5, "has no annotated split 'test' to compare the methods on. Name it"),
        ("test", 0.5, "all 2 training videos are labelled with --labelled-fraction 0.5, of which"),
    ],
)
def test_a_demo_that_could_not_end_does_not_begin(
    tmp_path: Path, split: str, fraction: float, text: str
) -> None:
    data, out = tmp_path / "data", tmp_path / "demo"
    names = [("train", label) for label in LABELS] + [(split, label) for label in LABELS]
    videos = [
        add_video(data, f"{number}", (make_tube(label, 4, 16),), split=part)
        for number, (part, label) in enumerate(names)
    ]
    write_dataset(data, LABELS, videos)
    options = ["--data", str(data), "--out", str(out), "--labelled-fraction", str(fraction)]
    refused = CliRunner().invoke(app, ["demo", *options])
    assert refused.exit_code == 1
    assert text in refused.stderr
    assert [path.name for path in out.iterdir()] == ["demo.json"]


def test_a_demo_of_toy_footage_has_videos_without_labels(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["demo", "--num-clips", "16", "--out", str(tmp_path / "d")])
    assert refused.exit_code == 2
