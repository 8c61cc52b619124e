from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec, square_frame
from tiny_network import SPEC
from tiny_videos import moving_square, write_video

import vadsdk
from vadsdk import Detector
from vadsdk.errors import ConfigError, ModelFileError, VideoError
from vadsdk.export import ExportReport
from vadsdk.structures import Frame, ModelKind, VideoResult
from vadsdk.video import Source

NUM_FRAMES = 30
DARK = np.zeros((240, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tiny_export: ExportReport) -> Path:
    return tiny_export.path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "square.mp4", NUM_FRAMES)


@pytest.fixture(scope="module")
def result(model: Path, video: Path) -> VideoResult:
    return Detector.load(model).predict(video)


def test_every_frame_comes_once_and_in_order(result: VideoResult) -> None:
    assert [frame.index for frame in result.frames] == list(range(NUM_FRAMES))
    assert result.labels == SPEC.labels


def test_the_tiny_network_finds_something_to_link(result: VideoResult) -> None:
    assert sum(len(frame.detections) for frame in result.frames) >= NUM_FRAMES
    assert result.tubes


def test_a_stream_gives_what_predict_gives(model: Path, video: Path, result: VideoResult) -> None:
    streamed = list(Detector.load(model).stream(str(video)))
    assert [frame.index for frame in streamed] == [frame.index for frame in result.frames]
    for ours, theirs in zip(streamed, result.frames, strict=True):
        np.testing.assert_array_equal(ours.detections.boxes_xyxy, theirs.detections.boxes_xyxy)
        np.testing.assert_array_equal(ours.detections.track_ids, theirs.detections.track_ids)


def test_detect_actions_gives_the_tubes_best_first(
    model: Path, video: Path, result: VideoResult
) -> None:
    tubes = vadsdk.detect_actions(video, model=model)
    assert [tube.to_json() for tube in tubes] == [tube.to_json() for tube in result.tubes]
    assert [tube.score for tube in tubes] == sorted((tube.score for tube in tubes), reverse=True)


def test_images_of_the_caller_are_a_source_too(model: Path) -> None:
    result = Detector.load(model).predict(moving_square(NUM_FRAMES))
    assert len(result.frames) == NUM_FRAMES


def test_progress_is_told_of_every_frame(model: Path, video: Path) -> None:
    told: list[tuple[int, int | None]] = []
    Detector.load(model).predict(video, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, NUM_FRAMES) for done in range(1, NUM_FRAMES + 1)]


def test_labels_and_spec_are_the_model_s(model: Path) -> None:
    detector = Detector.load(str(model))
    assert (detector.labels, detector.spec) == (SPEC.labels, SPEC)


@pytest.mark.parametrize("kind", ["box", "recognition"])
def test_models_without_masks_run_as_mask_models_do(
    tiny_exports: dict[ModelKind, ExportReport], kind: ModelKind, video: Path
) -> None:
    path = tiny_exports[kind].path
    result = Detector.load(path).predict(video)
    assert [frame.index for frame in result.frames] == list(range(NUM_FRAMES))
    assert all(frame.detections.masks is None for frame in result.frames)
    assert sum(len(frame.detections) for frame in result.frames) >= NUM_FRAMES
    tubes = vadsdk.detect_actions(video, model=path)
    assert [tube.to_json() for tube in tubes] == [tube.to_json() for tube in result.tubes]
    assert tubes
    if kind == "recognition":
        assert (tubes[0].boxes_xyxy == [0, 0, 64, 48]).all()


def test_a_missing_video_and_a_missing_model_are_told_apart(model: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        Detector.load(model).predict(tmp_path / "gone.mp4")
    with pytest.raises(ModelFileError, match=r"gone\.onnx"):
        Detector.load(tmp_path / "gone.onnx")


def test_tubes_that_score_less_than_asked_are_dropped() -> None:
    """An actor found in a third of the frames, at 1.0, makes a tube of a third."""
    model = BrightSquareModel(make_spec(kind="box"))
    frames = [
        Frame(index=i, pts_seconds=i / 25, image=DARK) if i % 3 else square_frame(i, 100, 100)
        for i in range(31)
    ]
    kept = Detector(model).predict(frames)
    assert [round(tube.score, 2) for tube in kept.tubes] == [0.35]  # 11 of 31
    fewer = Detector(model, min_score=0.4).predict(frames)
    assert fewer.tubes == []
    assert [len(frame.detections) for frame in fewer.frames] == [1, 0, 0] * 10 + [1]
    assert len(Detector(model, min_score=0.3).predict(frames).tubes) == 1
    assert len(Detector(model, min_score=0.0).predict(frames).tubes) == 1


def test_detect_actions_takes_a_least_score_too(model: Path, video: Path) -> None:
    assert vadsdk.detect_actions(video, model=model, min_score=0.05)
    assert vadsdk.detect_actions(video, model=model, min_score=1.0) == []


def test_images_are_as_many_a_second_as_told(model: Path, video: Path) -> None:
    detector, images = Detector.load(model), moving_square(NUM_FRAMES)
    assert detector.predict(images).frames[-1].pts_seconds == pytest.approx(29 / 25)
    assert detector.predict(images, fps=10).frames[-1].pts_seconds == pytest.approx(2.9)
    streamed = list(detector.stream(images, fps=10))
    assert streamed[-1].pts_seconds == pytest.approx(2.9)
    (tube, *_) = vadsdk.detect_actions(images, model=model, fps=10)
    (expected, *_) = detector.predict(images).tubes
    assert tube.end_seconds == pytest.approx(2.5 * expected.end_seconds)
    with pytest.raises(ConfigError, match=r"fps is for images alone, and .*square\.mp4 tells"):
        detector.predict(video, fps=10)


@pytest.mark.parametrize("predict", [True, False])
def test_images_that_are_seconds_apart_are_linked(predict: bool) -> None:
    """At a frame in 5 s each would else be a jump, and nothing would ever be linked."""
    detector = Detector(BrightSquareModel(make_spec(kind="box")))
    images = [square_frame(i, 100, 100).image for i in range(20)]
    if predict:
        results = detector.predict(images, fps=0.2).frames
    else:
        results = list(detector.stream(images, fps=0.2))
    ids = [frame.detections.track_ids.tolist() for frame in results]
    assert ids == [[1]] * 20


def test_frames_keep_their_indices_and_times(model: Path) -> None:
    frames = [
        Frame(index=100 + 2 * i, pts_seconds=7 + i / 25, image=image)
        for i, image in enumerate(moving_square(10))
    ]
    result = Detector.load(model).predict(frames)
    assert [frame.index for frame in result.frames] == list(range(100, 120, 2))
    assert result.frames[0].pts_seconds == 7


def test_no_frame_at_all_is_an_error(model: Path) -> None:
    with pytest.raises(VideoError, match="no frame among those given"):
        Detector.load(model).predict([])


def test_a_detector_says_what_it_detects(model: Path) -> None:
    assert repr(Detector.load(model)) == "Detector('tiny', mask, labels: wave, jump, sit)"


def test_a_source_that_breaks_gives_the_results_of_what_came_before(model: Path) -> None:
    def camera() -> Iterator[Frame]:
        for i, image in enumerate(moving_square(20)):
            yield Frame(index=i, pts_seconds=i / 25, image=image)
        raise VideoError("the camera is gone")

    results = []
    with pytest.raises(VideoError, match="the camera is gone"):
        results.extend(Detector.load(model).stream(camera()))
    assert [result.index for result in results] == list(range(20))
    ended = [event.tube for result in results for event in result.events if event.tube]
    assert [tube.end_frame for tube in ended] == [20]


class Live:
    """A source that would never end."""

    name, fps, num_frames, is_live = "rtsp://camera", None, None, True

    def __iter__(self) -> Iterator[Frame]:
        pytest.fail("it was watched")


@pytest.mark.parametrize(
    "watch",
    [
        lambda model, source: Detector.load(model).predict(source),
        lambda model, source: vadsdk.detect_actions(source, model=model),
    ],
)
def test_what_waits_for_the_end_refuses_a_live_stream(
    model: Path, watch: Callable[[Path, Source], object]
) -> None:
    with pytest.raises(VideoError, match=r"rtsp://camera is a live stream .* Detector\.stream"):
        watch(model, Live())


def test_the_package_offers_four_names_and_no_more() -> None:
    assert sorted(vadsdk.__all__) == ["Detector", "VadsdkError", "__version__", "detect_actions"]
    for name in vadsdk.__all__:
        assert getattr(vadsdk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Detecter'"):
        vadsdk.Detecter  # type: ignore[attr-defined]  # noqa: B018


def test_an_exported_model_runs_without_torch(model: Path, video: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import vadsdk\n"
        "print(len(vadsdk.Detector.load(sys.argv[1]).predict(sys.argv[2]).frames))"
    )
    command = [sys.executable, "-c", code, str(model), str(video)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{NUM_FRAMES}\n"), done.stderr


def test_importing_the_package_is_quick_to_the_eye() -> None:
    code = "import sys, vadsdk; print(sorted({'numpy', 'cv2', 'av', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
