"""What a CVAT file says of its tasks and labels: the `<meta>` element.

    <meta> <task> or <job> ... </>                     one video
    <meta> <project> <labels> <tasks> <task> ...       one video a task; tracks name the `task_id`

Frame numbers count in the whole video, even where a task or job is only a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vadsdk.data.problems import Problem
from vadsdk.data.xml_elements import XmlElement, parse_count, shown

DEFAULT_SPLIT = "train"
"""Of a task without a subset."""
MAX_FRAMES = 10_000_000
"""Of a video: more is a mistake, and 100 hours at 25 frames a second are not reached."""
MAX_SIDE = 65_535
"""Pixels that a frame can be wide or high: no codec goes further."""
_MEND = "correct it or export the task again"


@dataclass(frozen=True, kw_only=True, slots=True)
class CvatTask:
    """One video as CVAT knows it."""

    id: str = ""
    """As `task_id` of a project's tracks names it; may be empty."""
    source: str = ""
    """Name of the video file, without folders; empty if the file does not say."""
    name: str = ""
    """Of the task; may be empty."""
    split: str = DEFAULT_SPLIT
    """The subset in lower case."""
    start_frame: int = 0
    """First frame of the video that the task covers."""
    end_frame: int | None = None
    """One past the last; None if the file does not say."""
    size: tuple[int, int] | None = None
    """Width and height of a frame; None if the file does not say."""
    line: int = 1
    """Of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CvatMeta:
    """Tasks and labels of one file."""

    tasks: tuple[CvatTask, ...] = ()
    """In the order of the file."""
    labels: tuple[str, ...] = ()
    """Names; empty if the file lists none."""
    attribute_values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name and allowed values of each attribute of a label that lists its values."""


def parse_meta(meta: XmlElement, file: str) -> tuple[CvatMeta, list[Problem]]:
    """Read a `<meta>` element; return what it says and what is wrong with it."""
    problems: list[Problem] = []
    project = meta.child("project")
    entries = [child for child in meta.children if child.tag in ("task", "job")]
    if project is not None and (listed := project.child("tasks")) is not None:
        entries += listed.children_named("task")
    label_holders = [*entries, *([project] if project is not None else [])]
    labels = [
        label
        for holder in label_holders
        if (listed := holder.child("labels")) is not None
        for label in listed.children_named("label")
        if not label.child_text("parent")  # the joints of a skeleton are labels, too
    ]
    tasks = []
    for entry in entries:
        task, found = _parse_task(entry, meta, file)
        tasks.append(task)
        problems += found
    names = [label.child_text("name") for label in labels]
    return (
        CvatMeta(
            tasks=tuple(tasks),
            labels=tuple(dict.fromkeys(name for name in names if name)),
            attribute_values=tuple(value for label in labels for value in _values(label)),
        ),
        problems,
    )


def _parse_task(task: XmlElement, meta: XmlElement, file: str) -> tuple[CvatTask, list[Problem]]:
    problems: list[Problem] = []

    def count(holder: XmlElement | None, tag: str, lowest: int, highest: int) -> int | None:
        """Return the number in an element; None if there is none or, with a problem, no number."""
        element = None if holder is None else holder.child(tag)
        if element is None or not element.text:
            return None
        value = parse_count(element.text)
        if value is not None and lowest <= value <= highest:
            return value
        place = f"line {element.line}, <{tag}>"
        message = f"is {shown(element.text)}, expected {lowest} to {highest}; {_MEND}"
        problems.append(Problem(file, place, message))
        return None

    num_frames = count(task, "size", 1, MAX_FRAMES)
    start_frame = count(task, "start_frame", 0, MAX_FRAMES) or 0
    stop_frame = count(task, "stop_frame", 0, MAX_FRAMES)
    original = task.child("original_size") or meta.child("original_size")
    width, height = count(original, "width", 1, MAX_SIDE), count(original, "height", 1, MAX_SIDE)
    ends = [start_frame + num_frames] if num_frames else []
    ends += [stop_frame + 1] if stop_frame is not None else []  # further on if frames were skipped
    source = task.child_text("source") or meta.child_text("source")
    parsed = CvatTask(
        id=task.child_text("id"),
        source=source.replace("\\", "/").rpartition("/")[2],
        name=task.child_text("name"),
        split=task.child_text("subset").lower() or DEFAULT_SPLIT,
        start_frame=start_frame,
        end_frame=max(ends, default=None),
        size=(width, height) if width and height else None,
        line=task.line,
    )
    return parsed, problems


def _values(label: XmlElement) -> list[tuple[str, tuple[str, ...]]]:
    listed = label.child("attributes")
    if listed is None:
        return []
    return [
        (attribute.child_text("name"), tuple(map(str.strip, values)))
        for attribute in listed.children_named("attribute")
        if attribute.child_text("input_type") in ("select", "radio")
        if (values := attribute.child_text("values").splitlines())
    ]
