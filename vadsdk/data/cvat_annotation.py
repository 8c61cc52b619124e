"""Read a folder of CVAT files and say what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vadsdk.data.contained_paths import LEADS_OUT, ContainedPaths
from vadsdk.data.cvat_meta import CvatMeta, CvatTask, parse_meta
from vadsdk.data.cvat_tracks import CvatTrack, extent_problems, parse_track
from vadsdk.data.cvat_tubes import NO_ACTION, OutlinedTube, TubeSettings, track_tubes
from vadsdk.data.cvat_videos import TaskVideo, describe_video, find_video
from vadsdk.data.problems import Problem, label_problems
from vadsdk.data.records import VideoRecord
from vadsdk.data.xml_elements import XmlElement, XmlFile, shown
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

ROOT_TAG = "annotations"
_EXPECTED = "a file that CVAT exports as 'CVAT for video 1.1'"


@dataclass(frozen=True, slots=True, eq=False)
class CvatVideo:
    """One video, and the shapes behind its tubes."""

    record: VideoRecord
    """With the tubes."""
    outlined: tuple[OutlinedTube, ...]
    """One a tube."""


@dataclass(frozen=True, slots=True, eq=False)
class CvatContent:
    """Everything in a folder of CVAT files."""

    videos: tuple[CvatVideo, ...]
    """By name."""
    labels: tuple[str, ...]
    """By name."""
    problems: tuple[Problem, ...]
    """File by file."""


@dataclass(frozen=True, slots=True, eq=False)
class _CvatFile:
    """One XML file."""

    path: Path
    meta: CvatMeta
    tracks: tuple[CvatTrack, ...]


def read_content(
    root: Path, action_attribute: str | None, progress: Callable[[int, int], None] | None = None
) -> CvatContent:
    """Read every XML file in a folder and the folders below it.

    Args:
        root: of the data set.
        action_attribute: names the action instead of the track's label.
        progress: called with the files done and their number.

    Raises:
        DatasetError: there is no such folder, or no XML file in it.
    """
    paths = sorted(path for path in root.rglob("*.xml") if not path.name.startswith("."))
    if not paths:
        raise DatasetError(f"{root} has no XML file in it, expected {_EXPECTED} beside each video")
    videos: list[CvatVideo] = []
    labels: set[str] = set()
    problems: list[Problem] = []
    contained = ContainedPaths(root)
    for done, path in enumerate(paths, start=1):
        if not contained.holds(path):
            problems.append(Problem(str(path), "", LEADS_OUT))
            continue
        content = _read_file_content(path, root, action_attribute)
        videos += content.videos
        labels.update(content.labels)
        problems += content.problems
        if progress:
            progress(done, len(paths))
    problems += _content_problems(root, videos, labels, problems)
    by_name = sorted(videos, key=lambda video: video.record.name)
    return CvatContent(tuple(by_name), tuple(sorted(labels)), tuple(problems))


def _content_problems(
    root: Path, videos: Sequence[CvatVideo], labels: set[str], earlier: Sequence[Problem]
) -> list[Problem]:
    names = Counter(video.record.name for video in videos)
    problems = [
        Problem(str(root), name, f"{count} tasks are about this video; keep one a video")
        for name, count in names.items()
        if count > 1
    ]
    if not labels and not any(problem.fatal for problem in earlier):
        message = "no label is named anywhere; export tasks that have labels"
        problems.append(Problem(str(root), "", message))
    return problems


def _read_file_content(path: Path, root: Path, action_attribute: str | None) -> CvatContent:
    file, problems = _read_file(path)
    labels = file.meta.labels or tuple(sorted({track.label for track in file.tracks}))
    if any(problem.fatal for problem in problems):  # one mistake should not be told as two
        return CvatContent((), labels, tuple(problems))
    for track in file.tracks:
        problems += label_problems(str(path), f"{track.place}.label", track.label, labels)
    videos = []
    for task in file.meta.tasks:
        video, found = _task_video(task, file, root, action_attribute)
        videos += [video] if video else []
        problems += found
    if action_attribute is not None:
        used = {tube.label for video in videos for tube in video.record.tubes}
        labels = tuple(used | _listed_values(file.meta, action_attribute))
    return CvatContent(tuple(videos), labels, tuple(problems))


def _listed_values(meta: CvatMeta, attribute: str) -> set[str]:
    listed = {
        value for name, values in meta.attribute_values if name == attribute for value in values
    }
    return listed - set(NO_ACTION)


def _read_file(path: Path) -> tuple[_CvatFile, list[Problem]]:
    meta, file = CvatMeta(), str(path)
    tracks: list[CvatTrack] = []
    problems: list[Problem] = []
    reader = XmlFile(path, ROOT_TAG, _EXPECTED)
    for element in reader.elements():
        if element.tag == "meta":
            meta, found = parse_meta(element, file)
            problems += found
        elif element.tag == "track":
            track, found = parse_track(element, file)
            tracks += [track] if track else []
            problems += found
        elif problem := _element_problem(element, file):
            problems.append(problem)
            break
    problems += reader.problems
    if not meta.tasks:
        meta = replace(meta, tasks=(CvatTask(),))
    return _CvatFile(path, meta, tuple(tracks)), problems


def _element_problem(element: XmlElement, file: str) -> Problem | None:
    place = f"line {element.line}, <{element.tag}>"
    if element.tag == "version" and element.text.partition(".")[0] != "1":
        message = f"is {shown(element.text)}, expected 1.1; export it as 'CVAT for video 1.1'"
        return Problem(file, place, message)
    if element.tag == "image":
        message = (
            "belongs to 'CVAT for images', which knows no tracks; "
            "export the task as 'CVAT for video 1.1'"
        )
        return Problem(file, place, message)
    return None


def _task_video(
    task: CvatTask, file: _CvatFile, root: Path, action_attribute: str | None
) -> tuple[CvatVideo | None, list[Problem]]:
    path = find_video(task, file.path)
    outside = ContainedPaths(root).first_outside(path)
    if outside is not None:
        message = f"the video {outside} {LEADS_OUT}"
        return None, [Problem(str(file.path), f"line {task.line}", message)]
    video = describe_video(task, file.path, path)
    problems = list(video.problems)
    if video.extent is None:
        return None, problems
    tracks, found = _tracks_of(task, file)
    problems += found
    settings = TubeSettings(
        file=str(file.path),
        extent=video.extent,
        covered=video.covered,
        fps=video.fps,
        action_attribute=action_attribute,
    )
    outlined: list[OutlinedTube] = []
    for track in tracks:
        found = extent_problems(track, str(file.path), video.extent, video.covered)
        if not found:
            tubes, found = track_tubes(track, settings, len(outlined))
            outlined += tubes
        problems += found
    tubes_of = (
        ()
        if any(problem.fatal for problem in problems)
        else tuple(entry.tube for entry in outlined)
    )
    return CvatVideo(_record(task, video, tubes_of, root), tuple(outlined)), problems


def _tracks_of(task: CvatTask, file: _CvatFile) -> tuple[list[CvatTrack], list[Problem]]:
    """Return the tracks of a task, in a project those that name it."""
    problems: list[Problem] = []
    tracks = list(file.tracks)
    if len(file.meta.tasks) > 1:
        tracks = [track for track in tracks if track.task_id == task.id]
        if task is file.meta.tasks[0]:
            problems += _homeless_problems(file)
    counts = Counter(track.id for track in tracks)
    problems += [
        Problem(str(file.path), track.place, f"the id {track.id} is used twice; number the tracks")
        for track in tracks
        if counts[track.id] > 1
    ]
    return tracks, problems


def _homeless_problems(file: _CvatFile) -> Iterator[Problem]:
    known = {task.id for task in file.meta.tasks}
    for track in file.tracks:
        if track.task_id not in known:
            message = (
                f"task_id is {shown(track.task_id)}, expected one of the tasks in <meta>: "
                f"{', '.join(sorted(known))}; export the project again"
            )
            yield Problem(str(file.path), track.place, message)


def _record(task: CvatTask, video: TaskVideo, tubes: tuple[Tube, ...], root: Path) -> VideoRecord:
    assert video.extent is not None  # else there was a problem
    covers_all = video.covered == range(video.extent.num_frames)
    return VideoRecord(
        name=video.path.relative_to(root).as_posix(),
        path=video.path,
        split=task.split,
        num_frames=video.extent.num_frames,
        width=video.extent.width,
        height=video.extent.height,
        fps=video.fps,
        tubes=tubes,
        annotated_frames=None if covers_all else tuple(video.covered),
    )
