"""The videos of a COCO file: where they lie, how large and long they are, their listed frames."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from vadsdk.data.coco_footage import CocoFootage, FootageError
from vadsdk.data.coco_schema import CocoFile, ImageEntry, VideoEntry
from vadsdk.data.problems import Problem
from vadsdk.errors import VideoError
from vadsdk.video import VideoInfo, probe
from vadsdk.video.presentation import DEFAULT_FPS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CocoVideo:
    """One video that is there."""

    path: Path
    """A file, or a folder of pictures."""
    split: str
    """Of the video, else of its file."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    num_frames: int
    """As the file states them, else as the video has them."""
    fps: float
    """As the file states it, else as the video has it; 25 for pictures."""
    labelled: bool
    """False: nothing is known of it."""
    list_frames: Sequence[int]
    """The frame of each entry of YouTube-VIS's lists."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CocoVideos:
    """The videos of one file, and its images."""

    videos: Mapping[int, CocoVideo]
    """By id; those that are there."""
    num_missing: int
    """Videos that are not."""
    frame_of: Mapping[int, tuple[int, int]]
    """The id of the video and the frame of each image of those videos, by the image's id."""
    image_frames: Mapping[int, Sequence[int]]
    """The frames of all images of a video, increasing, by the video's id."""
    problems: tuple[Problem, ...]

    def annotated_frames(self, video_id: int) -> Sequence[int]:
        """Return the frames of a video that were looked at, increasing."""
        return self.image_frames.get(video_id) or self.videos[video_id].list_frames


def read_videos(file: Path, document: CocoFile, footage: CocoFootage, split: str) -> CocoVideos:
    """Find the videos of a file and the frames that its images are.

    Args:
        file: the JSON file, for problems.
        document: its content.
        footage: the videos that are there.
        split: of videos that do not name theirs.
    """
    reader = _Reader(str(file), document, footage, split)
    videos: dict[int, CocoVideo] = {}
    for index, entry in enumerate(document.videos):
        video = reader.video(index, entry)
        if video is not None:
            videos[entry.id] = video
    frame_of = reader.frames(videos)
    if reader.missing:
        message = (
            f"{len(reader.missing)} of {len(document.videos)} videos are not there, such as "
            f"{reader.missing[0]!r:.80}; put them below the data set's folder to use them"
        )
        nothing = not videos and len(reader.missing) == len(document.videos)
        reader.problems.append(Problem(str(file), "videos", message, fatal=nothing))
    return CocoVideos(
        videos=videos,
        num_missing=len(reader.missing),
        frame_of=frame_of,
        image_frames={id: sorted(frames) for id, frames in reader.listed.items()},
        problems=tuple(reader.problems),
    )


class _Reader:
    """Collects what is wrong while it reads."""

    def __init__(
        self, file: str, document: CocoFile, footage: CocoFootage, default_split: str
    ) -> None:
        self.problems: list[Problem] = []
        self.missing: list[str] = []
        self.listed: dict[int, set[int]] = defaultdict(set)
        self._file = file
        self._document = document
        self._footage = footage
        self._default_split = default_split
        self._images: dict[int, list[tuple[int, ImageEntry]]] = defaultdict(list)
        for index, image in enumerate(document.images):
            self._images[image.video_id].append((index, image))
        self._repeated = _repeated([video.id for video in document.videos])
        self._repeated_images = _repeated([image.id for image in document.images])

    def video(self, index: int, entry: VideoEntry) -> CocoVideo | None:
        """Return a video; None if it is not there, or something is wrong with it."""
        field = f"videos[{index}]"
        if entry.id in self._repeated:
            self._report(f"{field}.id", f"the id {entry.id} comes twice; number the videos")
            return None
        name = entry.file_name or entry.name or self._pictures_folder(entry)
        if not name:
            self._report(f"{field}.file_name", "it is missing; name the file or folder")
            return None
        split = entry.split or self._default_split
        try:
            path = self._footage.find(name, split)
            if path is None:
                self.missing.append(name)
                return None
            return self._extent(field, entry, path, split)
        except (FootageError, VideoError) as error:
            self._report(f"{field}.file_name", str(error))
            return None

    def frames(self, videos: Mapping[int, CocoVideo]) -> dict[int, tuple[int, int]]:
        """Return the video and the frame of each image, by the image's id."""
        known = {video.id for video in self._document.videos}
        frame_of: dict[int, tuple[int, int]] = {}
        for index, image in enumerate(self._document.images):
            field = f"images[{index}]"
            if image.video_id not in known:
                self._report(f"{field}.video_id", f"there is no video {image.video_id}; add it")
            elif image.id in self._repeated_images:
                self._report(f"{field}.id", f"the id {image.id} comes twice; number the images")
            elif image.video_id in videos:
                frame = self._frame(field, image, videos[image.video_id])
                if frame is not None:
                    frame_of[image.id] = image.video_id, frame
        return frame_of

    def _pictures_folder(self, entry: VideoEntry) -> str:
        """Return the folder of the first picture that is named for a video."""
        names = entry.file_names or [
            image.file_name for _, image in self._images[entry.id] if image.file_name
        ]
        folder = str(PurePosixPath(names[0]).parent) if names else "."
        return "" if folder == "." else folder

    def _extent(self, field: str, entry: VideoEntry, path: Path, split: str) -> CocoVideo | None:
        images = [image for _, image in self._images[entry.id]]
        width = entry.width or next((image.width for image in images if image.width), None)
        height = entry.height or next((image.height for image in images if image.height), None)
        num_frames, fps = entry.num_frames or entry.length, entry.fps
        if path.is_dir():
            num_frames, fps = len(self._footage.pictures(path)), fps or DEFAULT_FPS
        elif not (width and height and num_frames and fps):
            info: VideoInfo = probe(path)
            width, height = width or info.width, height or info.height
            num_frames, fps = num_frames or info.num_frames, fps or info.fps or DEFAULT_FPS
        if not (width and height and num_frames):
            self._report(field, "its size or length is not known; state width, height and length")
            return None
        if entry.num_frames and entry.length and entry.num_frames != entry.length:
            message = f"num_frames is {entry.num_frames}, length {entry.length}; correct one"
            self._report(f"{field}.length", message)
        video = CocoVideo(
            path=path,
            split=split,
            width=width,
            height=height,
            num_frames=num_frames,
            fps=float(fps or DEFAULT_FPS),
            labelled=entry.labelled and self._document.annotations is not None,
            list_frames=(),
        )
        return replace(video, list_frames=self._list_frames(field, entry, video))

    def _list_frames(self, field: str, entry: VideoEntry, video: CocoVideo) -> Sequence[int]:
        """Return the frame of each entry of YouTube-VIS's lists."""
        if entry.file_names is None or not video.path.is_dir():
            length = len(entry.file_names) if entry.file_names is not None else video.num_frames
            return range(min(length, video.num_frames))
        frames = []
        for index, name in enumerate(entry.file_names):
            frame = self._picture(f"{field}.file_names[{index}]", name, video.path)
            if frame is None:
                return ()
            frames.append(frame)
        if any(later <= earlier for earlier, later in pairwise(frames)):
            self._report(f"{field}.file_names", "the pictures are not in the order of their names")
            return ()
        return tuple(frames)

    def _frame(self, field: str, image: ImageEntry, video: CocoVideo) -> int | None:
        """Return the frame that an image is; a picture's place in its folder comes first."""
        for side in ("width", "height"):
            stated, expected = getattr(image, side), getattr(video, side)
            if stated is not None and stated != expected:
                message = f"{stated} pixels, those of its video are {expected}; correct one"
                self._report(f"{field}.{side}", message)
                return None
        frame = image.frame_id if image.frame_id is not None else image.frame_index
        if video.path.is_dir() and image.file_name is not None:
            frame = self._picture(f"{field}.file_name", image.file_name, video.path)
            if frame is None:
                return None
        if frame is None:
            self._report(f"{field}.frame_id", "it is missing; give the frame, counted from 0")
            return None
        if frame >= video.num_frames:
            message = f"{frame} is not among the frames of its video, 0 to {video.num_frames - 1}"
            self._report(f"{field}.frame_id", f"{message}; count from 0")
            return None
        if frame in self.listed[image.video_id]:
            self._report(f"{field}.frame_id", f"frame {frame} of its video comes twice; keep one")
            return None
        self.listed[image.video_id].add(frame)
        return frame

    def _picture(self, field: str, name: str, folder: Path) -> int | None:
        frame = self._footage.pictures(folder).get(PurePosixPath(name).name)
        if frame is None:
            self._report(field, f"there is no picture {name!r:.80} in {folder}; put it there")
        return frame

    def _report(self, field: str, message: str) -> None:
        self.problems.append(Problem(self._file, field, message))


def _repeated(ids: Sequence[int]) -> frozenset[int]:
    return frozenset(id for id, count in Counter(ids).items() if count > 1)
