"""Offline linking by name: all detections of a video in, its action tubes out.

"viterbi" is what we recommend: it sees the whole video before it decides, and survives frames in
which the detector missed. It is not YOWO to the digit: jumps between actors cost, and tubes are
trimmed. "road" is the one to try beside it where finding every action matters more than its edges.
"yowo", "multisports" and "moc" link as those public codes do, for numbers beside theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vadsdk.errors import unknown_name
from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.linking.offline_paths import LinkedPath, path_tube
from vadsdk.linking.offline_retinanet import RetinaLinking, fill_paths, retinanet_linking
from vadsdk.linking.offline_retinanet_trimming import RetinaTrimming, retinanet_trimming
from vadsdk.linking.offline_road import RoadLinking, RoadTrimming, road_linking, road_trimming
from vadsdk.linking.offline_trimming import ActionTrimming, trim_to_action
from vadsdk.linking.offline_tubelets import (
    MOC,
    MULTISPORTS,
    GreedyLinking,
    greedy_kept,
    tubelet_linking,
)
from vadsdk.linking.offline_viterbi import YOWO, ViterbiLinking, viterbi_kept, viterbi_linking
from vadsdk.structures import Tube

MIN_TUBE_SCORE = 0.05
"""A tube that scores less is dropped as noise, as the online linker does."""


def link_offline(
    detections: VideoDetections, labels: Sequence[str], fps: float, linker: str = "viterbi"
) -> list[Tube]:
    """Return the action tubes of one video, best score first, with ids from 1 on.

    Args:
        detections: all frames of the video.
        labels: names of the K classes.
        fps: frames a second, which are evenly spaced; it turns frames into times.
        linker: a name of `OFFLINE_LINKERS`.

    Raises:
        ConfigError: a linker that does not exist.
        ValueError: labels that are not K, or a frame rate that is not positive.
    """
    if linker not in OFFLINE_LINKERS:
        raise unknown_name("offline linker", linker, OFFLINE_LINKERS)
    if len(labels) != detections.num_classes:
        raise ValueError(f"{detections.num_classes} class scores for {len(labels)} labels")
    min_score = 0.0 if linker in AS_RELEASED else MIN_TUBE_SCORE
    return tubes_of_paths(OFFLINE_LINKERS[linker](detections), labels, fps, min_score)


def tubes_of_paths(
    paths: Sequence[LinkedPath],
    labels: Sequence[str],
    fps: float,
    min_score: float = MIN_TUBE_SCORE,
) -> list[Tube]:
    """Return trimmed paths, of one class each, as tubes: best score first, with ids from 1 on.

    Raises:
        ValueError: a frame rate that is not positive.
    """
    if not 0.0 < fps < float("inf"):
        raise ValueError(f"fps must be positive, not {fps}")
    best_first = sorted(paths, key=lambda path: -path.score)
    tubes = [path_tube(path, labels[path.class_index]) for path in best_first]
    return [
        replace(
            tube,
            id=number,
            start_seconds=tube.start_frame / fps,
            end_seconds=tube.end_frame / fps,
        )
        for number, tube in enumerate((t for t in tubes if t.score >= min_score), start=1)
    ]


def viterbi_paths(
    detections: VideoDetections,
    linking: ViterbiLinking | None = None,
    trimming: ActionTrimming | None = None,
) -> list[LinkedPath]:
    """Return the parts of the best paths of each class in which its action takes place.

    Paths are cut before NMS: two actors of whom one takes over where the other ends are no repeat.
    """
    linking = linking or ViterbiLinking()
    paths = []
    for class_index in range(detections.num_classes):
        whole = viterbi_linking(detections, class_index, linking)
        parts = [part for path in whole for part in trim_to_action(path, trimming)]
        paths += [parts[index] for index in viterbi_kept(parts, linking)]
    return paths


def yowo_paths(detections: VideoDetections) -> list[LinkedPath]:
    """Return the paths of each class as YOWO's public code does: each spans the whole video."""
    paths = []
    for class_index in range(detections.num_classes):
        whole = viterbi_linking(detections, class_index, YOWO)
        paths += [whole[index] for index in viterbi_kept(whole, YOWO)]
    return paths


def greedy_paths(
    detections: VideoDetections, linking: GreedyLinking | None = None
) -> list[LinkedPath]:
    """Return the tubes of each class linked greedily from frame to frame, after NMS."""
    return tubelet_paths(VideoTubelets.of_boxes(detections), linking)


def tubelet_paths(
    tubelets: VideoTubelets, linking: GreedyLinking | None = None
) -> list[LinkedPath]:
    """Return the tubes of each class linked greedily from tubelet to tubelet, after NMS."""
    paths = []
    for class_index in range(tubelets.num_classes):
        found = tubelet_linking(tubelets, class_index, linking)
        paths += [found[index] for index in greedy_kept(found, linking)]
    return paths


def road_paths(
    detections: VideoDetections,
    linking: RoadLinking | None = None,
    trimming: RoadTrimming | None = None,
) -> list[LinkedPath]:
    """Return the tubes of each class as ROAD makes them."""
    return [
        part
        for class_index in range(detections.num_classes)
        for path in road_linking(detections, class_index, linking)
        for part in road_trimming(path, trimming)
    ]


def retinanet_paths(
    detections: VideoDetections,
    linking: RetinaLinking | None = None,
    trimming: RetinaTrimming | None = None,
) -> list[LinkedPath]:
    """Return the tubes of all actors as 3D-RetinaNet makes them, gaps filled."""
    paths = fill_paths(retinanet_linking(detections, linking), linking)
    return [part for path in paths for part in retinanet_trimming(path, trimming)]


OFFLINE_LINKERS: dict[str, Callable[[VideoDetections], list[LinkedPath]]] = {
    "viterbi": viterbi_paths,
    "greedy": greedy_paths,
    "road": road_paths,
    "retinanet": retinanet_paths,
    "yowo": yowo_paths,
    "multisports": lambda detections: greedy_paths(detections, MULTISPORTS),
    "moc": lambda detections: greedy_paths(detections, MOC),
}
"""What `link_offline` can do, each with its default settings."""
AS_RELEASED = ("yowo", "multisports", "moc")
"""Those that do as a public code does, to the end: no tube is dropped for its score alone, beyond
what that code drops."""
