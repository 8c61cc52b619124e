"""Which video a task of a CVAT file is about, and how many frames of what size it has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vadsdk.data.cvat_meta import CvatTask
from vadsdk.data.problems import Problem, VideoExtent
from vadsdk.errors import VideoError
from vadsdk.video import VideoInfo, probe, video_files
from vadsdk.video.folders import VIDEO_SUFFIXES
from vadsdk.video.presentation import DEFAULT_FPS

IMAGES_FOLDER = "images"
"""Beside the annotation, where CVAT exports "with images"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskVideo:
    """The video of a task."""

    path: Path
    """Of the video file or the folder of images; it need not exist."""
    extent: VideoExtent | None = None
    """Frames and size; None, with a problem, if nothing tells."""
    fps: float = 0.0
    """Average frames a second; 0 if nothing tells."""
    covered: range = range(0)
    """The frames of the task."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the above."""


def find_video(task: CvatTask, xml_path: Path) -> Path:
    """Return the path of a task's video, which lies beside the XML file and need not exist.

    The task's source or name names it, with or without its suffix; else the XML file's own name
    does; else it is the only video beside the only XML file, or the folder `images`.
    """
    folder = xml_path.parent
    if Path(task.source).suffix.lower() in VIDEO_SUFFIXES and (folder / task.source).is_file():
        return folder / task.source
    videos = video_files(folder)
    for name in (task.source, task.name, xml_path.stem):
        for video in videos:
            if name and video.name == name:
                return video
        for video in videos:
            if name and video.stem in (name, Path(name).stem):
                return video
    if len(videos) == 1 and len(list(folder.glob("*.xml"))) == 1:
        return videos[0]
    if (folder / IMAGES_FOLDER).is_dir():
        return folder / IMAGES_FOLDER
    return folder / (task.source or Path(task.name.replace("\\", "/")).name or xml_path.stem)


def describe_video(task: CvatTask, xml_path: Path, path: Path) -> TaskVideo:
    """Return the video of a task, at `path`; it tells what the XML file does not say of it."""
    file = str(xml_path)
    info = _probe(path)
    end_frame = task.end_frame or (info.num_frames if info else None)
    size = task.size or ((info.width, info.height) if info else None)
    problems: list[Problem] = []
    if end_frame is None or size is None:
        missing = "<size>" if end_frame is None else "<original_size>"
        message = (
            f"<meta> has no {missing}, and there is no readable video {path} that would tell; "
            "put the video there, or export the task again"
        )
        problem = Problem(file, f"line {task.line}", message)
        return TaskVideo(path=path, problems=(problem,))
    num_frames = max(end_frame, (info.num_frames if info else None) or 0)
    covers_all = (task.start_frame, end_frame) == (0, num_frames)
    if not covers_all:
        message = (
            f"the task covers the frames {task.start_frame} to {end_frame - 1} of the "
            f"{num_frames} of {path.name}; nothing is known of the others"
        )
        problems.append(Problem(file, f"line {task.line}", message, fatal=False))
    return TaskVideo(
        path=path,
        extent=VideoExtent(num_frames=num_frames, width=size[0], height=size[1]),
        fps=(info.fps if info else None) or 0.0,
        covered=range(task.start_frame, end_frame),
        problems=tuple(problems),
    )


def _probe(path: Path) -> VideoInfo | None:
    """Return what a video says of itself; None if it cannot be read, which decoding reports."""
    try:
        info = probe(path)
    except VideoError:
        return None
    return info if info.fps or not path.is_dir() else replace(info, fps=DEFAULT_FPS)
