"""Which videos are labelled: a choice for each class, the same whenever and wherever it is made.

A video's place in the queue of its class is a hash of seed and name. So the choice does not depend
on the order of the records, and a larger fraction contains every smaller one of the same seed.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vadsdk.data.atomic import write_text
from vadsdk.data.native_annotation import parse_file
from vadsdk.data.records import ActionDataset, VideoRecord, records_of_split
from vadsdk.data.video_parts import action_ranges
from vadsdk.errors import ConfigError, DatasetError

UnlabelledPart = Literal["whole", "actions"]
"""What clips of a video are drawn from whose annotation is hidden."""

LEARNED_SPLIT = "train"
"""The split in which videos are labelled or not; the others are for evaluation."""


class LabelledSplit(BaseModel):
    """A choice of labelled videos, as a file."""

    model_config = ConfigDict(extra="forbid")

    fraction: Annotated[float, Field(gt=0, le=1)]
    seed: int
    labelled: Annotated[list[str], Field(min_length=1)]
    key_frames: dict[str, list[Annotated[int, Field(ge=0)]]] | None = None
    """For each labelled video the frames whose annotation may be used; null: all."""
    test: Annotated[list[str], Field(min_length=1)] | None = None
    """Training videos that are held out and scored, as the split "test"; null: none."""


def choose_labelled(records: Sequence[VideoRecord], fraction: float, seed: int) -> frozenset[str]:
    """Choose the videos whose annotation may be used; each class gets its share, and at least one.

    A video of several classes counts for the one that fills most of its frames; one without any
    action is labelled background and gets the same share, without the "at least one".

    Args:
        records: the videos to learn from; those that are not labelled cannot be chosen.
        fraction: share of each class, in (0, 1].
        seed: another one gives another choice.

    Returns:
        the names of the chosen records. For one seed, those of a smaller fraction are among them.

    Raises:
        ConfigError: the fraction is not in (0, 1].
        DatasetError: no record has an action.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(
            f"the labelled fraction is in (0, 1], such as 0.1 for 10 %, not {fraction}"
        )
    queue = queue_of(records, seed)
    if not any(record.tubes or record.video_label for record in queue):
        raise DatasetError(
            "none of the videos has an annotated action, so no class can be labelled; "
            "annotate at least one video of each class"
        )
    chosen = one_of_each_class(queue)
    members: dict[str | None, list[str]] = defaultdict(list)
    for record in queue:
        members[main_label(record)].append(record.name)
    for names in members.values():
        names.sort(key=lambda name: name not in chosen)  # those are in anyway; stable, so nested
    return chosen.union(*(names[: round(fraction * len(names))] for names in members.values()))


def queue_of(records: Sequence[VideoRecord], seed: int) -> list[VideoRecord]:
    """Return the labelled records in the order in which a seed chooses them."""
    return sorted((r for r in records if r.labelled), key=lambda r: _place(r.name, seed))


def one_of_each_class(queue: Sequence[VideoRecord]) -> frozenset[str]:
    """Return the names of the first video of each class."""
    first: dict[str, str] = {}
    for record in queue:
        labels = [tube.label for tube in record.tubes]
        for label in [*labels, record.video_label]:
            if label is not None:
                first.setdefault(label, record.name)
    return frozenset(first.values())


def share_of_labels(num_labelled: int, num_videos: int, fraction: float) -> str | None:
    """Return why more videos are labelled than their share is; None if they are not.

    Args:
        num_labelled: videos that `choose_labelled` chose.
        num_videos: annotated ones that it chose from.
        fraction: that it was asked for.
    """
    share, asked = f"{num_labelled / num_videos:.0%}", f"{fraction:.0%}"
    if share == asked or num_labelled < fraction * num_videos + 1:
        return None
    return (
        f"{num_labelled} of {num_videos} training videos are labelled, {share} and not {asked}: "
        "each class has its share by itself, rounded, and at least one"
    )


def choose_unlabelled(
    records: Sequence[VideoRecord], fraction: float, seed: int
) -> list[VideoRecord]:
    """Return all labelled videos and a share of the unlabelled ones, at least one, in their order.

    The choice goes by the seed and the file's name alone: nothing else is known of an unlabelled
    video, and footage may lie in any folder.

    Args:
        records: the videos to learn from.
        fraction: share of the unlabelled ones, in (0, 1].
        seed: another one gives another choice; of one, a larger share contains every smaller one.

    Raises:
        ConfigError: the fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ConfigError(
            f"the unlabelled fraction is in (0, 1], such as 0.25 for a quarter, not {fraction}"
        )
    if fraction == 1:
        return list(records)
    names = sorted(record.name for record in records if not record.labelled)
    queue = sorted(names, key=lambda name: _place(PurePath(name).name, seed))
    chosen = frozenset(queue[: max(round(fraction * len(queue)), 1)])
    return [record for record in records if record.labelled or record.name in chosen]


def choose_key_frames(record: VideoRecord, num_frames: int) -> list[int]:
    """Return frames spread evenly over each action: what sparse annotation would have looked at.

    Args:
        record: labelled.
        num_frames: frames an action; a shorter one gives all that it has. A video without actions
            gives as many, spread over it.

    Raises:
        ConfigError: `num_frames` is below 1, or the video has one class as a whole.
    """
    if num_frames < 1:
        raise ConfigError(f"an action needs 1 key frame or more, not {num_frames}")
    if record.video_label is not None:
        raise ConfigError(
            f"{record.name} has one class as a whole and no frames to choose from; "
            "leave --key-frames out"
        )
    whole = (
        np.arange(record.num_frames)
        if record.annotated_frames is None
        else np.array(record.annotated_frames)
    )
    chosen: set[int] = set()
    for frames in [tube.frame_indices for tube in record.tubes] or [whole]:
        count = min(num_frames, len(frames))
        middles = (np.arange(count) + 0.5) * len(frames) / count
        chosen.update(frames[middles.astype(int)].tolist())
    return sorted(chosen)


def main_label(record: VideoRecord) -> str | None:
    """Return the video's class as a whole, or the label whose tubes fill most frames of it.

    Ties go by name; None is a video without any action.
    """
    if record.video_label is not None:
        return record.video_label
    frames = Counter[str]()
    for tube in record.tubes:
        frames[tube.label] += len(tube)
    return min(frames, key=lambda label: (-frames[label], label)) if frames else None


def apply_split(
    dataset: ActionDataset,
    labelled: Set[str],
    key_frames: Mapping[str, Sequence[int]] | None = None,
    *,
    unlabelled_part: UnlabelledPart = "whole",
) -> ActionDataset:
    """Return the data set with only `labelled` annotated among its training videos.

    Args:
        dataset: all that is known.
        labelled: names of the videos whose annotation may be used.
        key_frames: for each of them the frames of which that holds; None for all frames.
        unlabelled_part: of the others; "actions" keeps of their annotation when there is an action
            (`drawn_ranges`), and neither which one nor where.

    Raises:
        DatasetError: a name is not among the labelled training videos of the data set, or a
            labelled video has no key frames.
    """
    known = {r.name for r in records_of_split(dataset, LEARNED_SPLIT) if r.labelled}
    strange = sorted(labelled - known)
    if strange:
        raise DatasetError(
            f"{len(strange)} of the {len(labelled)} labelled videos are not among the annotated "
            f"training videos of {dataset.name}, such as {strange[0]!r}; was the split made for "
            "another data set? Make one with: vadsdk data split"
        )
    unframed = sorted(labelled - set(key_frames)) if key_frames is not None else []
    if unframed:
        raise DatasetError(
            f"the split has no key frames for {len(unframed)} of its videos, such as "
            f"{unframed[0]!r}; make it again with: vadsdk data split --key-frames N"
        )
    return _PartlyLabelled(dataset, labelled, key_frames, unlabelled_part)


def whole_dataset(dataset: ActionDataset) -> ActionDataset:
    """Return a data set with all of its annotation, what `apply_split` has hidden included."""
    return dataset.whole if isinstance(dataset, _PartlyLabelled) else dataset


def labelled_split(
    fraction: float,
    seed: int,
    chosen: Set[str],
    key_frames: dict[str, list[int]] | None = None,
    test: Set[str] = frozenset(),
) -> LabelledSplit:
    """Return a choice of labelled videos, and of those that are held out, as it is written.

    Raises:
        DatasetError: a name is not UTF-8, so that no file can hold it.
    """
    for name in sorted(chosen | test):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DatasetError(
                f"the name {name!r} is not UTF-8 text, so it cannot be written; rename the video, "
                "or import the data set, which does that: vadsdk data import"
            ) from None
    return LabelledSplit(
        fraction=fraction,
        seed=seed,
        labelled=sorted(chosen),
        key_frames=key_frames,
        test=sorted(test) or None,
    )


def write_split(path: Path, split: LabelledSplit) -> None:
    """Write a choice of labelled videos, completely or not at all."""
    ordered = split.model_copy(update={"labelled": sorted(split.labelled)})
    write_text(path, ordered.model_dump_json(indent=1, exclude_none=True) + "\n")


def read_split(path: Path) -> LabelledSplit:
    """Read a choice of labelled videos.

    Raises:
        DatasetError: the file is missing or malformed; the message names the field.
    """
    split, problems = parse_file(path, LabelledSplit)
    if split is None:
        raise DatasetError(
            f"{path} is no list of labelled videos ({problems[0].field}: {problems[0].message}); "
            "make one with: vadsdk data split"
        )
    return split


def split_file_name(
    fraction: float, seed: int, key_frames: int | None = None, test_share: float | None = None
) -> str:
    """Return the name under which a choice is kept beside its data set."""
    frames = "" if key_frames is None else f"_{key_frames}frames"
    test = "" if test_share is None else f"_test{test_share * 100:g}"
    return f"labelled_{fraction * 100:g}_seed{seed}{frames}{test}.json"


class _PartlyLabelled:
    """A data set that has forgotten a part of its annotation, so that nothing can leak from it."""

    def __init__(
        self,
        dataset: ActionDataset,
        labelled: Set[str],
        key_frames: Mapping[str, Sequence[int]] | None,
        unlabelled_part: UnlabelledPart,
    ) -> None:
        self.name = dataset.name
        self.format = dataset.format
        self.labels = dataset.labels
        self.has_masks = dataset.has_masks
        self.records = tuple(
            _as_known(record, labelled, key_frames, unlabelled_part) for record in dataset.records
        )
        self.whole = dataset
        self._hidden = frozenset(record.name for record in self.records if not record.labelled)

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        if record.name in self._hidden:
            raise ValueError(f"{record.name} is not labelled: it has no masks to learn from")
        return self.whole.actor_masks(record, frame_indices)


def _as_known(
    record: VideoRecord,
    labelled: Set[str],
    key_frames: Mapping[str, Sequence[int]] | None,
    unlabelled_part: UnlabelledPart,
) -> VideoRecord:
    if record.split != LEARNED_SPLIT:
        return record
    if record.name not in labelled:
        return replace(
            record,
            tubes=(),
            video_label=None,
            labelled=False,
            annotated_frames=None,
            drawn_ranges=action_ranges(record) if unlabelled_part == "actions" else None,
        )
    return record if key_frames is None else _at_key_frames(record, key_frames[record.name])


def _at_key_frames(record: VideoRecord, key_frames: Sequence[int]) -> VideoRecord:
    kept = []
    for tube in record.tubes:
        chosen = np.isin(tube.frame_indices, key_frames)
        if chosen.any():
            frames, boxes = tube.frame_indices[chosen], tube.boxes_xyxy[chosen]
            kept.append(replace(tube, frame_indices=frames, boxes_xyxy=boxes))
    known = sorted(set(key_frames) & set(record.annotated_frames or key_frames))
    return replace(record, tubes=tuple(kept), annotated_frames=tuple(known))


def _place(name: str, seed: int) -> bytes:
    return hashlib.sha256(os.fsencode(f"{seed}/{name}")).digest()  # a name need not be UTF-8
