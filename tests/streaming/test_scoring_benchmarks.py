"""What AVA, DAVIS and YouTube-VOS measure, of a model that sees what is bright."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec

from vadsdk.data.ava import AvaDataset
from vadsdk.data.davis import DavisDataset
from vadsdk.data.youtube_vos import YoutubeVosDataset
from vadsdk.evaluation.ava_map import AvaConventions, ava_conventions
from vadsdk.streaming.scoring import ScoredVideos, ScoringSettings, score_videos
from vadsdk.streaming.scoring_ava import AvaScorer, AvaSettings
from vadsdk.structures import Detections, FrameResult, MaskOutputs, VideoResult
from vadsdk.video import VideoWriter

HEIGHT, WIDTH = 24, 32
FIRST, SECOND = (slice(8, 12), slice(2, 6)), (slice(8, 12), slice(20, 24))


class LabelledSquares(BrightSquareModel):
    """The same for other labels; class i of a clip scores 0.9 less i tenths."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(replace(make_spec(), labels=labels))

    def infer(self, clips: np.ndarray) -> MaskOutputs:
        masks = super().infer(clips).mask_logits
        scores = 0.9 - 0.1 * np.arange(len(self.spec.labels), dtype=np.float32)
        return MaskOutputs(class_scores=np.tile(scores, (len(clips), 1)), mask_logits=masks)


def bright(*places: tuple[slice, slice]) -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for place in places:
        image[(*place, 0)] = 255
    return image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_sequence(images: Path, masks: Path, object_ids: list[np.ndarray], names: list[str]):
    """Two bright squares in every frame, and the given masks."""
    for folder in (images, masks):
        folder.mkdir(parents=True)
    for name, ids in zip(names, object_ids, strict=True):
        picture = cv2.cvtColor(bright(FIRST, SECOND), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(images / f"{name}.png"), picture)
        cv2.imwrite(str(masks / f"{name}.png"), ids)


def object_map(second_left: int = 20, *, void: bool = False) -> np.ndarray:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[FIRST] = 1
    ids[8:12, second_left : second_left + 4] = 2
    if void:
        ids[20:, :4] = 255
    return ids


def davis(root: Path, year: int, num_frames: int = 9) -> DavisDataset:
    """The second object is annotated two pixels beside its square, but for both end frames."""
    names = [f"{index:05d}" for index in range(num_frames)]
    ends = {0, num_frames - 1}
    maps = [object_map(20 if n in ends else 22, void=year == 2017) for n in range(num_frames)]
    images, masks = (root / kind / "480p" / "two" for kind in ("JPEGImages", "Annotations"))
    write_sequence(images, masks, maps, names)
    listed = root / "ImageSets" / str(year) / "val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("two\n", encoding="utf-8")
    return DavisDataset(root, year)


def scored_on(dataset, split: str, **settings) -> ScoredVideos:
    model = LabelledSquares(dataset.labels)
    return score_videos(model, dataset, dataset.split(split), settings=ScoringSettings(**settings))


def test_each_object_of_davis_2017_gets_its_track_and_void_does_not_count(tmp_path: Path) -> None:
    found = scored_on(davis(tmp_path / "davis", 2017), "val").objects
    assert found is not None
    quality = found.sequences["two"]
    assert quality.object_ids.tolist() == [1, 2]
    assert quality.regions[0] == pytest.approx(np.ones(9))
    beside = 2 * 4 / (6 * 4)  # 4 x 4 pixels, moved by 2
    assert quality.regions[1] == pytest.approx(np.r_[1, np.full(7, beside), 1])
    assert found.all_frames.region.mean == pytest.approx((1 + (2 + 7 * beside) / 9) / 2)
    assert found.without_ends is not None
    assert found.without_ends.region.mean == pytest.approx((1 + beside) / 2)
    assert found.youtube_vos is None


def test_in_davis_2016_all_detections_are_one_foreground(tmp_path: Path) -> None:
    found = scored_on(davis(tmp_path / "davis", 2016), "val").objects
    assert found is not None
    quality = found.sequences["two"]
    assert quality.object_ids.tolist() == [1]
    assert quality.regions[0, 4] == pytest.approx((16 + 8) / (16 + 24))
    assert quality.regions[0, 0] == 1.0


def test_masks_that_are_not_asked_for_are_not_compared(tmp_path: Path) -> None:
    dataset = davis(tmp_path / "davis", 2017)
    assert scored_on(dataset, "val", benchmarks=False).objects is None


def youtube_vos(root: Path, category: str | None) -> YoutubeVosDataset:
    """In `valid` one object is a seen dog and one of the given category."""
    names = [f"{5 * index:05d}" for index in range(5)]
    for split, categories in (("train", ["dog"]), ("valid", ["dog", category])):
        folders = (root / split / kind / split for kind in ("JPEGImages", "Annotations"))
        maps = [object_map(22) for _ in names]
        if split == "train":
            maps = [np.where(ids == 2, 0, ids).astype(np.uint8) for ids in maps]
        write_sequence(*folders, maps, names)
        objects = {
            str(number): {"category": name, "frames": names}
            for number, name in enumerate(categories, start=1)
        }
        text = json.dumps({"videos": {split: {"objects": objects}}})
        (root / split / "meta.json").write_text(text, encoding="utf-8")
    return YoutubeVosDataset(root)


def test_seen_are_the_categories_of_the_training_set(tmp_path: Path) -> None:
    found = scored_on(youtube_vos(tmp_path / "vos", "zebra"), "valid").objects
    assert found is not None
    assert found.youtube_vos is not None
    assert found.youtube_vos.region_seen == 1.0
    assert found.youtube_vos.region_unseen == pytest.approx(1 / 3)


def test_without_all_categories_seen_and_unseen_are_not_told_apart(tmp_path: Path) -> None:
    found = scored_on(youtube_vos(tmp_path / "vos", None), "valid").objects
    assert found is not None
    assert found.youtube_vos is None
    assert found.all_frames.region.mean == pytest.approx((1 + 1 / 3) / 2)


BOX = "0.0625,0.3333333333,0.1875,0.5"  # FIRST, as shares of 32 x 24
AVA_ROWS = f"""movie,0000,{BOX},11,0
movie,0001,{BOX},11,0
movie,0001,0.75,0.3333333333,0.875,0.5,11,1
movie,0002,{BOX},12,0
"""
ACTIONS = """item { name: "sit" id: 11 } item { name: "stand" id: 12 }"""


def ava(root: Path, excluded: str = "") -> AvaDataset:
    """A square in 3 seconds at 10 frames a second; it sits at 0 and 1, and stands at 2."""
    (root / "videos").mkdir(parents=True)
    with VideoWriter(root / "videos" / "movie.mp4", fps=10, crf=10) as writer:
        for _ in range(30):
            writer.write(bright(FIRST))
    (root / "ava_val_v2.2.csv").write_text(AVA_ROWS, encoding="utf-8")
    (root / "ava_action_list_v2.2.pbtxt").write_text(ACTIONS, encoding="utf-8")
    if excluded:
        (root / "ava_val_excluded_timestamps_v2.2.csv").write_text(excluded, encoding="utf-8")
    return AvaDataset(root)


def test_ava_frame_map_is_that_of_the_key_frames_alone(tmp_path: Path) -> None:
    # three detections, each as "sit" and as "stand", of equal scores within a class
    found = scored_on(ava(tmp_path / "ava"), "val").ava
    assert found is not None
    assert (found.labels, found.num_answers.tolist()) == (("sit", "stand"), [3, 3])
    assert found.num_ground_truth.tolist() == [3, 1]
    assert found.average_precisions == pytest.approx([2 / 3 * 2 / 3, 1 / 3])


def test_excluded_key_frames_count_only_if_asked_for(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava", excluded="movie,0001\n")
    found = scored_on(dataset, "val").ava
    assert found is not None
    assert found.num_ground_truth.tolist() == [1, 1]
    assert found.average_precisions == pytest.approx([1 / 2, 1 / 2])
    settings = AvaSettings(use_exclusions=False)
    everything = scored_on(dataset, "val", ava=settings).ava
    assert everything is not None
    assert everything.average_precisions == pytest.approx([2 / 3 * 2 / 3, 1 / 3])
    mmaction2 = AvaSettings(conventions=ava_conventions("mmaction2"))
    too_low = scored_on(dataset, "val", ava=mmaction2).ava
    assert too_low is not None
    assert too_low.num_ground_truth.tolist() == [3, 1]
    assert too_low.average_precisions == pytest.approx([1 / 3 * 1 / 2, 1 / 2])


def test_the_limit_and_the_label_map_are_heard(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava")
    one = AvaSettings(conventions=AvaConventions(max_detections=1))
    found = scored_on(dataset, "val", ava=one).ava
    assert found is not None
    assert found.num_answers.tolist() == [3, 0]  # "sit" scores more everywhere
    label_map = tmp_path / "one.pbtxt"
    label_map.write_text('item { name: "stand" id: 12 }', encoding="utf-8")
    found = scored_on(dataset, "val", ava_label_map=label_map).ava
    assert found is not None
    assert (found.labels, found.mean) == (("stand",), pytest.approx(1 / 3))


def test_the_list_of_the_evaluated_classes_is_taken_where_it_is_there(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava")
    listed = tmp_path / "ava" / "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
    listed.write_text('item { name: "sit" id: 11 }', encoding="utf-8")
    found = scored_on(dataset, "val").ava
    assert found is not None
    assert found.labels == ("sit",)


def test_a_model_that_finds_nobody_on_annotated_key_frames_scores_0(tmp_path: Path) -> None:
    """It is not taken for detections of other videos, which have other names or times."""
    dataset = ava(tmp_path / "ava")
    benchmark = dataset.benchmark("val")
    scorer = AvaScorer(benchmark, dataset.records, AvaSettings())
    (record,) = dataset.records
    box = np.array([[2, 8, 6, 12]], np.float32)
    seen = Detections(
        boxes_xyxy=box,
        class_scores=np.array([[0.9, 0.8]], np.float32),
        track_ids=np.zeros(1, np.int64),
    )
    frames = [FrameResult(index=5, pts_seconds=0.5, detections=seen, labels=dataset.labels)]
    scorer.add(record, VideoResult(frames=frames, tubes=[], labels=dataset.labels))
    assert scorer.scores().mean == 0.0
    frames = [FrameResult(index=9020, pts_seconds=902, detections=seen, labels=dataset.labels)]
    long = replace(record, num_frames=10_000)
    scorer.add(long, VideoResult(frames=frames, tubes=[], labels=dataset.labels))
    assert scorer.scores().mean == 0.0
    assert scorer.scores().num_answers.tolist() == [0, 0]
