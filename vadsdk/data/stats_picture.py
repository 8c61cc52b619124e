"""A data set at a glance: charts and one example of each class, as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk import video
from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.measuring import measured
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.stats import DatasetStats
from vadsdk.errors import ConfigError, VideoError, unknown_name
from vadsdk.evaluation.plots import as_it_is
from vadsdk.structures import Tube

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_EXAMPLES = 24
"""Classes on the contact sheet."""
COLUMNS = 6
OUTLINE_RGB = (255, 210, 0)
MASK_RGB = np.array((255, 60, 60), np.float32)


def require_picture_path(path: Path) -> None:
    """Raise a ConfigError if no picture can be drawn, or none of the kind that a path names."""
    kinds = _new_figure().canvas.get_supported_filetypes()
    if _kind(path) not in kinds:
        raise unknown_name("kind of picture", _kind(path), kinds)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give a file for the picture, such as stats.png")


def save_picture(dataset: ActionDataset, stats: DatasetStats, path: Path) -> None:
    """Draw class balance, lengths, box sizes and a contact sheet to an image file.

    Raises:
        ConfigError: matplotlib is not installed, or has no such kind of picture.
        DatasetError: the file cannot be written.
    """
    require_picture_path(path)
    examples = _examples(dataset)
    num_rows = math.ceil(len(examples) / COLUMNS)
    bars_height = max(3.5, 0.22 * len(stats.classes) + 1)
    figure = _new_figure(figsize=(15, bars_height + 2.2 * num_rows), layout="constrained")
    figure.suptitle(as_it_is(stats.name))
    ratios = (bars_height, max(2.2 * num_rows, 0.1))
    charts, sheet = figure.subfigures(2, 1, squeeze=False, height_ratios=ratios)[:, 0]
    _draw_charts(charts.subplots(1, 3), stats)
    if examples:
        cells = sheet.subplots(num_rows, COLUMNS, squeeze=False).flat
        for cell in cells:
            cell.axis("off")
        for cell, (label, image) in zip(sheet.axes, examples, strict=False):
            cell.imshow(image)
            cell.set_title(as_it_is(label), fontsize=9)
    with complete_or_absent(path) as temporary:
        figure.savefig(temporary, format=_kind(path), dpi=90)


def _new_figure(**options: Any) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            'the picture needs matplotlib; install it with: pip install "vadsdk[train]"'
        ) from error
    return Figure(**options)


def _kind(path: Path) -> str:
    return path.suffix.lstrip(".").lower() or "png"


def _draw_charts(axes: NDArray[np.object_], stats: DatasetStats) -> None:
    balance, lengths, sizes = axes
    labels = [as_it_is(row.label) for row in stats.classes]
    left = np.zeros(len(labels))
    for split in stats.splits:
        counts = np.array([row.num_actions[split.name] for row in stats.classes])
        balance.barh(labels, counts, left=left, label=as_it_is(split.name))
        left = left + counts
    balance.invert_yaxis()
    balance.set(title="actions of each class", xlabel="actions")
    balance.legend()
    _draw_lengths(lengths, stats)
    if not any(len(row.box_sizes) for row in stats.classes):
        sizes.set_axis_off()  # trimmed videos have none
        return
    for row in stats.classes:
        sizes.scatter(*row.box_sizes.T, s=6, alpha=0.6)
    sizes.set(title="boxes, mean over each action", xlabel="width, pixels", ylabel="height, pixels")


def _draw_lengths(axes: Axes, stats: DatasetStats) -> None:
    lengths = np.concatenate([row.lengths for row in stats.classes])
    low, high = (int(lengths.min()), int(lengths.max()) + 1) if len(lengths) else (0, 1)
    axes.hist(lengths, bins=range(low, high + 1, math.ceil((high - low) / 40)))
    axes.set(title="length of the actions", xlabel="frames", ylabel="actions")


def _examples(dataset: ActionDataset) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return label and picture of an example of each class that has a readable one."""
    examples = []
    for label in dataset.labels[:MAX_EXAMPLES]:
        for record, tube in _actions_of(dataset, label):
            image = _example(dataset, record, tube)
            if image is not None:
                examples.append((label, image))
                break
    return examples


def _actions_of(dataset: ActionDataset, label: str) -> list[tuple[VideoRecord, Tube | None]]:
    """Return the first actions of a class, without a tube if it is the whole video's.

    They are a few, for broken files cost time.
    """
    found: list[tuple[VideoRecord, Tube | None]] = []
    for record in dataset.records:
        found += [(record, tube) for tube in record.tubes if tube.label == label]
        found += [(record, None)] if record.video_label == label else []
    return found[:3]


def _example(
    dataset: ActionDataset, record: VideoRecord, tube: Tube | None
) -> NDArray[np.uint8] | None:
    """Return the middle frame of an action, mask and box of its actor drawn; None if unreadable."""
    if tube is None:
        return _middle_frame(record)
    position = len(tube) // 2
    index = int(tube.frame_indices[position])
    image = _frame(record, index)
    if image is None:
        return None
    x1, y1, x2, y2 = np.round(tube.boxes_xyxy[position]).astype(int).tolist()
    mask = np.zeros(image.shape[:2], np.bool_)
    inside = np.s_[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]  # of other actors nothing
    actors = dataset.actor_masks(record, [index])[0]
    if actors.shape == mask.shape:
        mask[inside] = actors[inside]
    image = image.copy()
    image[mask] = (0.6 * image[mask] + 0.4 * MASK_RGB).astype(np.uint8)
    cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), OUTLINE_RGB, 2)
    return image


def _middle_frame(record: VideoRecord) -> NDArray[np.uint8] | None:
    try:
        return _frame(record, measured(record).num_frames // 2)
    except VideoError:
        return None


def _frame(record: VideoRecord, index: int) -> NDArray[np.uint8] | None:
    try:
        frames = video.open_source(record.path)
        return next((frame.image for frame in frames if frame.index == index), None)
    except VideoError:
        return None
