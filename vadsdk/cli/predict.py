"""`vadsdk predict`: a model over files and streams, with results as table, video and JSON."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.ending import stop_on_signals
from vadsdk.cli.outputs import check_folders, check_outputs
from vadsdk.cli.sinks import Job, Sinks
from vadsdk.errors import VideoError

if TYPE_CHECKING:
    from vadsdk.detector import Detector
    from vadsdk.structures import Tube
    from vadsdk.video import OnError

MAX_LISTED_TUBES = 200
"""The table shows the last so many, as a stream may never end."""


def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx file, a checkpoint or a run folder.")],
    source: Annotated[
        str, typer.Argument(help="A video, a folder of videos or images, a camera number, rtsp://.")
    ],
    save: Annotated[
        Path | None, typer.Option(help="Write the annotated video, as out.mp4.")
    ] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Write a line of JSON a frame.")] = None,
    tubes: Annotated[Path | None, typer.Option(help="Write the action tubes as JSON.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    hop: Annotated[
        int | None,
        typer.Option(min=1, help="Frames between windows; else half a window, for boxes 1."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Images a second, for a folder of images; else 25.")
    ] = None,
    accept_broken: Annotated[
        bool, typer.Option("--accept-broken", help="Watch a video file up to where it breaks.")
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Drop detections and tubes that score less; else as the model file says."
        ),
    ] = None,
) -> None:
    """Find the actions in a video or a stream: who, where, from when to when.

    With a folder of videos, --save, --jsonl and --tubes name folders, and each video's files are
    named after it. A stream keeps its files when it ends by Ctrl-C, SIGTERM or a closed terminal,
    or is lost, and its --jsonl grows line by line.
    """
    from vadsdk.detector import Detector

    named = Job(
        source=source, save=save, jsonl=jsonl, tubes=tubes, fps=fps, accept_broken=accept_broken
    )
    jobs = _jobs(named)
    check_outputs(jobs, model)
    detector = Detector.load(model, device, min_score=min_score)
    failed = 0
    for job in jobs:
        try:
            run_job(detector, job, hop)
        except VideoError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            console.print_error(str(error))
    if failed:
        raise VideoError(f"{failed} of {len(jobs)} videos failed, as said above; the rest is done")


def _jobs(named: Job) -> list[Job]:
    """Return what is named as it is, or for a folder of videos a job for each."""
    from vadsdk.video import video_files

    # Unlike `Path.is_dir`, this bears an address that is longer than any name of a file.
    videos = video_files(str(named.source)) if os.path.isdir(str(named.source)) else []
    if not videos:
        return [named]
    save, jsonl, tubes = named.save, named.jsonl, named.tubes
    check_folders(videos, {"--save": save, "--jsonl": jsonl, "--tubes": tubes})
    return [
        replace(
            named,
            source=video,
            save=save and save / f"{video.stem}.mp4",
            jsonl=jsonl and jsonl / f"{video.stem}.jsonl",
            tubes=tubes and tubes / f"{video.stem}.json",
        )
        for video in videos
    ]


def run_job(detector: Detector, job: Job, hop: int | None = None) -> None:
    """Stream one source into its files and list its last tubes; memory stays bounded."""
    from vadsdk.streaming import file_batch_size
    from vadsdk.video import open_source

    on_error: OnError = "stop" if job.accept_broken else "raise"
    source = open_source(job.source, on_error=on_error, fps=job.fps)
    listed: deque[Tube] = deque(maxlen=MAX_LISTED_TUBES)
    sinks = Sinks(job, source)
    with stop_on_signals(source) as stop, sinks, console.progress_bar() as bar:
        task = bar.add_task(source.name, total=source.num_frames)
        batch_size = 1 if source.is_live else file_batch_size(detector.spec, hop)
        for result in detector.stream(sinks.watch(stop), hop=hop, batch_size=batch_size):
            sinks.write(result)
            listed.extend(event.tube for event in result.events if event.tube is not None)
            bar.advance(task)
        if sinks.failure is not None and not sinks.num_written:
            raise sinks.failure
    _print_tubes(listed, source.name)
    for path in job.outputs.values():
        if path == job.save and not sinks.num_written:
            _print_line(f"no frame came: {path} is not written")
        else:
            _print_line(f"wrote {path}")
    if sinks.failure is not None:
        raise sinks.failure


def _print_tubes(tubes: deque[Tube], source_name: str) -> None:
    count = f"the last {len(tubes)}" if len(tubes) == MAX_LISTED_TUBES else str(len(tubes) or "no")
    _print_line(f"{count} action {'tube' if len(tubes) == 1 else 'tubes'} in {source_name}")
    if not tubes:
        return
    table = Table("tube", "action", "score", "from", "to", "frames")
    for tube in sorted(tubes, key=lambda tube: tube.start_frame):
        table.add_row(
            str(tube.id),
            escape(tube.label),
            f"{tube.score:.2f}",
            f"{tube.start_seconds:.2f} s",
            f"{tube.end_seconds:.2f} s",
            f"{tube.start_frame}-{tube.end_frame - 1}",
        )
    console.stdout.print(table)


def _print_line(text: str) -> None:
    console.stdout.print(text, markup=False, highlight=False, soft_wrap=True)
