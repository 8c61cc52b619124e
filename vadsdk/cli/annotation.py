"""`vadsdk data export` and `vadsdk data prelabel`: to annotation tools and back.

prelabel -> correct in the tool -> train -> prelabel the next footage with the better model
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vadsdk.cli import console
from vadsdk.errors import ConfigError, DatasetError, VideoError

if TYPE_CHECKING:
    from vadsdk import Detector
    from vadsdk.data.exporting import VideoTubes
    from vadsdk.data.predicted_tubes import PredictedTubes

AnnotationFormat = Annotated[str, typer.Option("--format", help="cvat or coco.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
BoxesOnly = Annotated[bool, typer.Option("--boxes-only", help="Leave out masks.")]


def export(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.", show_default=False)],
    format: AnnotationFormat = "cvat",
    source_format: Annotated[
        str | None, typer.Option("--from", help="Layout of the data set; found out if left out.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="One split alone.")] = None,
    boxes_only: BoxesOnly = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a data set's tubes for an annotation tool; the videos stay where they are.

    Masks that are known of each tube are polygons in CVAT, instead of the boxes, and RLE in COCO.
    """
    from vadsdk.data.dataset import open_dataset
    from vadsdk.data.exporting import VideoTubes, files_to_write, require_new, write_tubes
    from vadsdk.data.tube_masks import masks_of_tubes

    dataset = open_dataset(root, format=source_format)
    records = dataset.records if split is None else dataset.split(split)
    paths = files_to_write(format, out, [record.name for record in records])
    if not overwrite:
        require_new(paths)
    videos = [
        VideoTubes(
            record=record,
            tubes=record.tubes,
            masks={} if boxes_only else masks_of_tubes(dataset, record),
        )
        for record in records
    ]
    _report(write_tubes(format, out, videos, dataset.labels), out)


def prelabel(
    model: Annotated[Path, typer.Argument(help="An .onnx file, a checkpoint or a run folder.")],
    footage: Annotated[Path, typer.Argument(help="A video or a folder of videos.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; beside the videos if left out.")
    ] = None,
    format: AnnotationFormat = "cvat",
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out tubes that score less.")
    ] = 0.2,
    boxes_only: BoxesOnly = False,
    overwrite: Overwrite = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Let a model draw boxes and masks, to be corrected in an annotation tool and trained on.

    Masks are polygons in CVAT, instead of the boxes, and RLE beside the boxes in COCO. Upload the
    files to tasks of the same videos and labels. Corrected and exported again, put them beside
    their videos: `vadsdk train --data` reads the folder.
    """
    from vadsdk import Detector
    from vadsdk.data.exporting import files_to_write, require_new, write_tubes
    from vadsdk.data.predicted_tubes import PredictedTubes

    paths = _videos(footage)
    root = footage if footage.is_dir() else footage.parent
    targets = files_to_write(format, out or root, [_name(path, root) for path in paths])
    if not overwrite:
        require_new(targets)
    detector = Detector.load(model, device=device)
    videos, failed = [], []
    with console.progress_bar() as bar:
        task = bar.add_task("prelabelling", total=len(paths))
        for path in paths:
            try:
                found = PredictedTubes(min_score=min_score, with_masks=not boxes_only)
                videos.append(_predicted(detector, path, root, found))
            except VideoError as error:
                failed.append(str(error))
            bar.advance(task)
    for reason in failed:
        console.print_error(f"left out: {reason}")
    if not videos:
        raise DatasetError(f"none of the {len(paths)} videos in {footage} could be read")
    written = write_tubes(format, out or root, videos, detector.labels)
    num_tubes = sum(len(video.tubes) for video in videos)
    num_masked = sum(len(video.masks) for video in videos)
    masked = f" ({num_masked} with masks)" if num_masked else ""
    console.stdout.print(
        f"{num_tubes} tubes{masked} in {len(videos)} videos, {len(failed)} left out",
        highlight=False,
    )
    _report(written, out or root)


def _videos(footage: Path) -> list[Path]:
    from vadsdk.video import video_files

    if footage.is_file():
        return [footage]
    paths = video_files(footage)
    if not paths:
        raise ConfigError(f"{footage} has no video in it; give a video or a folder of videos")
    return paths


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _predicted(detector: Detector, path: Path, root: Path, found: PredictedTubes) -> VideoTubes:
    from vadsdk.data.exporting import VideoTubes
    from vadsdk.data.records import VideoRecord
    from vadsdk.video import probe

    info = probe(path)
    found.add_all(detector.stream(path))
    record = VideoRecord(
        name=_name(path, root),
        path=path,
        split="train",
        num_frames=found.num_frames,
        width=info.width,
        height=info.height,
        fps=info.fps or 0.0,
    )
    return VideoTubes(record=record, tubes=tuple(found.tubes), masks=found.masks)


def _report(paths: list[Path], folder: Path) -> None:
    names = ", ".join(path.name for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    console.stdout.print(
        f"written to {folder}: {names}{more}", soft_wrap=True, markup=False, highlight=False
    )
