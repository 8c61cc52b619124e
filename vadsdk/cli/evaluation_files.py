"""What `vadsdk evaluate --out` writes: scores.json and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vadsdk.data.dataset import ActionDataset, VideoRecord
    from vadsdk.evaluation.confusion import TubeMatch
    from vadsdk.streaming.scoring import ScoredVideos


def write_scores(
    folder: Path,
    scored: ScoredVideos,
    dataset: ActionDataset,
    records: list[VideoRecord],
    values: dict[str, object],
) -> list[str]:
    """Write everything and return the names of the files."""
    from vadsdk.evaluation.confusion import MISSED, match_tubes, tube_confusions
    from vadsdk.evaluation.plots import (
        plot_bars,
        plot_class_bars,
        plot_confusions,
        plot_precision_recall,
    )

    write_json(folder / "scores.json", values)
    scores = scored.report.video_scores_at(0.5)
    plot_class_bars(scores, folder / "per_class.png", title="video AP@0.5")
    plot_precision_recall(scores, folder / "precision_recall.png", title="video, IoU 0.5")
    matches = match_tubes(scored.ground_truth, scored.tubes)
    counts = tube_confusions(matches, dataset.labels)
    path = folder / "confusions.png"
    columns = (*dataset.labels, MISSED)
    title = "what tubes are taken for, in %"
    plot_confusions(counts, dataset.labels, columns, path, title=title, unit="tubes")
    written = ["scores.json", "per_class.png", "precision_recall.png", "confusions.png"]
    written += _write_worst(folder / "worst_tubes.jpg", matches, records)
    if scored.ava is not None:
        plot_class_bars(scored.ava, folder / "ava_per_class.png", title="AVA frame AP")
        written.append("ava_per_class.png")
    if scored.objects is not None:
        names, values_jf = _object_bars(scored)
        path = folder / "objects.png"
        plot_bars(names, values_jf, path, title="J&F of each object", unit="J&F in percent")
        written.append(path.name)
    return written


def write_json(path: Path, values: dict[str, object]) -> None:
    """Write values as JSON; NaN, which JSON does not have, becomes null."""
    from vadsdk.whole_file import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(values), indent=2) + "\n", encoding="utf-8")


def _object_bars(scored: ScoredVideos) -> tuple[list[str], list[float]]:
    """Return name and J&F of every object."""
    assert scored.objects is not None
    names, values = [], []
    for sequence, quality in scored.objects.sequences.items():
        means = (quality.regions.mean(axis=1) + quality.boundaries.mean(axis=1)) / 2
        for number, mean in zip(quality.object_ids.tolist(), means.tolist(), strict=True):
            names.append(f"{sequence} {number}")
            values.append(mean)
    return names, values


def _write_worst(path: Path, matches: list[TubeMatch], records: list[VideoRecord]) -> list[str]:
    import cv2

    from vadsdk.streaming.worst_tubes import draw_matches, worst_matches
    from vadsdk.whole_file import whole_file

    worst = worst_matches(matches, count=16)
    if not worst:
        return []
    picture = draw_matches(worst, {record.name: record for record in records})
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return [path.name]


def _plain(value: object) -> object:
    """Return a value without NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value
