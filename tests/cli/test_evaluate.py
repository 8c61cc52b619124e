from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_benchmarks import LabelledSquares, ava, youtube_vos
from tiny_network import SPEC, SPECS
from tiny_videos import write_video
from typer.testing import CliRunner, Result

from vadsdk.cli.app import app
from vadsdk.data.native_writer import NativeVideo, write_dataset
from vadsdk.evaluation.ava_map import AVA_CONVENTIONS
from vadsdk.evaluation.conventions import CONVENTIONS
from vadsdk.export import ExportReport
from vadsdk.streaming.scoring_linking import LINKINGS
from vadsdk.structures import RecognitionOutputs, Tube

NUM_FRAMES = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos of a moving square, annotated where it is, with the classes in turn."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "videos").mkdir()
    frames = np.arange(NUM_FRAMES)
    boxes = np.stack([8 + frames, 0 * frames + 12, 28 + frames, 0 * frames + 36], axis=1)
    videos = []
    for number in range(6):
        write_video(folder / "videos" / f"{number}.mp4", NUM_FRAMES)
        tube = Tube(
            id=0,
            label=SPEC.labels[number % 3],
            score=1.0,
            frame_indices=frames,
            boxes_xyxy=boxes.astype(np.float32),
        )
        videos.append(
            NativeVideo(
                path=f"videos/{number}.mp4",
                split="test",
                num_frames=NUM_FRAMES,
                fps=25,
                width=64,
                height=48,
                tubes=(tube,),
            )
        )
    write_dataset(folder, SPEC.labels, videos)
    return folder


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env={"COLUMNS": "140"})


def test_scores_come_as_tables_json_and_pictures(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    done = evaluate(tiny_export.path, "--data", data, "--out", out, "--resamples", 100)
    assert done.exit_code == 0, done.output
    assert "as a stream:" in done.output
    values = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert values["num_videos"] == 6
    for name, (low, high) in values["intervals"].items():
        assert low <= values[name] <= high, name
    assert values["stream"]["num_tubes"] == 6
    pictures = {"per_class.png", "precision_recall.png", "confusions.png", "worst_tubes.jpg"}
    assert {path.name for path in out.iterdir()} == {"scores.json", *pictures}
    assert all((out / name).stat().st_size > 1000 for name in pictures)


def copied(data: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Return a data set of the same videos with a changed annotation."""
    folder.mkdir()
    content = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    change(content)
    for video in content["videos"]:
        video["path"] = Path(video["path"]).name
        (folder / video["path"]).hardlink_to(data / "videos" / video["path"])
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_labels_may_be_in_another_order_but_not_others(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    turned = copied(data, tmp_path / "turned", lambda content: content["labels"].reverse())
    found = []
    for folder in (data, turned):
        out = tmp_path / f"scores of {folder.name}"
        assert evaluate(tiny_export.path, "--data", folder, "--out", out).exit_code == 0
        found.append(json.loads((out / "scores.json").read_text(encoding="utf-8")))
    assert found[0]["frame_map_50"] == pytest.approx(found[1]["frame_map_50"], abs=1e-6)
    assert found[0]["per_class"] == found[1]["per_class"]
    more = copied(data, tmp_path / "more", lambda content: content["labels"].append("dig"))
    refused = evaluate(tiny_export.path, "--data", more)
    assert refused.exit_code == 1
    assert "different labels: the data set alone has dig." in " ".join(refused.stderr.split())


def test_where_nothing_is_annotated_nothing_is_scored(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    def forget(content: dict[str, Any]) -> None:
        for video in content["videos"]:
            video["tubes"] = []

    empty, out = copied(data, tmp_path / "empty", forget), tmp_path / "scores"
    done = evaluate(tiny_export.path, "--data", empty, "--out", out)
    assert done.exit_code == 0, done.output
    assert "no video has an annotated action" in done.output
    assert "nan" not in done.output
    values = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert values["video_map_50"] is None
    path = tiny_export.path
    both = evaluate(path, path, "--compare", "--data", empty, "--resamples", 100)
    assert both.exit_code == 0, both.output
    assert "nan" not in both.output


def test_box_models_are_scored_as_detectors(
    tiny_exports: dict[str, ExportReport], data: Path, tmp_path: Path
) -> None:
    arguments = ("--data", data, "--out", tmp_path, "--resamples", 100)
    done = evaluate(tiny_exports["box"].path, *arguments)
    assert done.exit_code == 0, done.output
    values = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert values["num_videos"] == 6
    assert 0 <= values["frame_map_50"] <= 1
    assert evaluate(tiny_exports["box"].path, *arguments, "--min-score", 1.0).exit_code == 0
    strict = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert (strict["num_predicted_tubes"], values["num_predicted_tubes"] > 0) == (0, True)


def test_a_model_does_not_differ_from_itself(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    model = tiny_export.path
    out = tmp_path / "out"
    done = evaluate("--compare", model, model, "--data", data, "--out", out, "--resamples", 100)
    assert done.exit_code == 0, done.output
    assert "B - A" in done.output
    values = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "comparison.json"]
    assert values["a"] == values["b"] == str(model)
    assert {one["a"] == one["b"] for one in values["measures"].values()} == {True}
    assert "classification recall" in values["measures"]
    assert values["video_map_50"] == {"difference": 0, "interval": [0, 0], "share_b_better": 0}


def test_several_linkings_stand_beside_each_other_under_one_convention(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    options = ("--linking", "viterbi", "--linking", "online", "--convention", "moc")
    arguments = ("--data", data, "--out", tmp_path, "--resamples", 100)
    done = evaluate(tiny_export.path, *arguments, *options)
    assert done.exit_code == 0, done.output
    for text in (
        "tubes: viterbi (offline), convention: moc",
        "viterbi (offline)",
        "online (as streamed)",
        "localisation recall",
    ):
        assert text in done.output, text
    values = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert (values["convention"], values["linking"]) == ("moc", "viterbi")
    assert list(values["linkings"]) == ["viterbi", "online"]
    assert values["linkings"]["viterbi"]["video_map_50"] == pytest.approx(
        values["video_map_50"], abs=1e-6
    )
    low, high = values["intervals"]["video_map_20"]
    assert low <= values["video_map_20"] <= high
    assert (values["ava"], values["objects"]) == (None, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--convention", "mock"), "unknown convention 'mock'. Did you mean 'moc'"),
        (("--linking", "vitterbi"), "unknown linking 'vitterbi'. Did you mean 'viterbi'"),
        (("--linking", "road", "--linking", "road"), "give one linking or more, each once"),
        (("--ava-limit", "50"), "are for data in the layout of AVA, not 'vadsdk'; leave them out"),
    ],
)
def test_options_that_mean_nothing_here_are_refused_before_the_model_is_loaded(
    options: tuple[str, ...], text: str, data: Path, tmp_path: Path
) -> None:
    done = evaluate(tmp_path / "no-model.onnx", "--data", data, *options)
    assert done.exit_code == 1
    assert text in " ".join(done.stderr.split())


def test_a_list_that_changes_nothing_of_the_split_is_refused(data: Path, tmp_path: Path) -> None:
    split = ["--labelled-list", tmp_path / "list.json", "--split", "val"]
    refused = evaluate("no.onnx", "--data", data, *split)
    assert refused.exit_code == 1
    assert "--labelled-list holds training videos out as split 'test' and changes nothing of " in (
        refused.stderr
    )


def test_one_model_is_evaluated_and_two_are_compared(tiny_export: ExportReport, data: Path) -> None:
    model = tiny_export.path
    alone = evaluate("--compare", model, "--data", data)
    assert alone.exit_code == 1
    assert "--compare takes two models, not 1" in alone.stderr
    both = evaluate(model, model, "--data", data)
    assert both.exit_code == 1
    assert "to compare two, add --compare" in both.stderr


def test_a_table_names_the_split_and_one_video_is_one(
    tiny_export: ExportReport, data: Path, tmp_path: Path
) -> None:
    def leave_one(content: dict[str, Any]) -> None:
        content["videos"] = [{**content["videos"][0], "split": "train"}]

    one = copied(data, tmp_path / "one", leave_one)
    done = evaluate(tiny_export.path, "--data", one, "--split", "train", "--resamples", 100)
    assert done.exit_code == 0, done.output
    assert "1 train video, in percent" in done.stdout


@pytest.mark.parametrize("out", ["file", "file/scores"])
def test_a_folder_that_cannot_be_is_refused_before_the_model_is_loaded(
    data: Path, tmp_path: Path, out: str
) -> None:
    (tmp_path / "file").write_text("years of work")
    refused = evaluate(tmp_path / "no-model.onnx", "--data", data, "--out", tmp_path / out)
    assert refused.exit_code == 1
    assert f"{tmp_path / 'file'} is a file; give a folder for" in " ".join(refused.stderr.split())


def test_a_split_that_is_not_there_is_named(tiny_export: ExportReport, data: Path) -> None:
    done = evaluate(tiny_export.path, "--data", data, "--split", "val")
    assert done.exit_code == 1
    assert "has no split 'val'; choose one of: test" in done.stderr


class Fixed:
    """A model that runs and says the same of every clip; it stands in for a file."""

    def __init__(self, scores: list[float], kind: str = "recognition") -> None:
        self.spec = SPECS[kind]
        self._scores = np.array(scores, np.float32)

    def infer(self, clips: np.ndarray) -> RecognitionOutputs:
        return RecognitionOutputs(class_scores=np.tile(self._scores, (len(clips), 1)))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fixed]:
    """The models that can be loaded, by name."""
    models = {"first": Fixed([0.9, 0.5, 0.1]), "second": Fixed([0.1, 0.9, 0.5])}
    monkeypatch.setattr("vadsdk.runtime.load_model", lambda path, device: models[str(path)])
    return models


def test_recognisers_have_top_1_confusions_and_pictures(
    loaded: dict[str, Fixed], data: Path, tmp_path: Path
) -> None:
    done = evaluate("first", "--data", data, "--out", tmp_path, "--clips", 2, "--resamples", 100)
    assert done.exit_code == 0, done.output
    for text in ("top-1", "top-5", "most frequent confusions"):
        assert text in done.output, text
    values = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert values["top_1"] == pytest.approx(1 / 3)  # two of six videos, their class by their tubes
    assert (values["top_5"], values["num_videos"], values["num_left_out"]) == (1.0, 6, 0)
    assert values["confusions"]["counts"] == [[2, 0, 0]] * 3
    low, high = values["intervals"]["top_1"]
    assert low < values["top_1"] < high
    written = {"scores.json", "per_class.png", "confusions.png"}
    assert {path.name for path in tmp_path.iterdir()} == written
    assert all((tmp_path / name).stat().st_size > 1000 for name in written - {"scores.json"})


def test_two_recognisers_are_compared(loaded: dict[str, Fixed], data: Path, tmp_path: Path) -> None:
    arguments = ("--data", data, "--out", tmp_path, "--resamples", 100)
    done = evaluate("--compare", "first", "second", *arguments)
    assert done.exit_code == 0, done.output
    values = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert values["top_1"]["difference"] == 0  # each is right on two of six
    low, high = values["top_1"]["interval"]
    assert low < 0 < high
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "comparison.json"]


@pytest.mark.parametrize("option", [("--hop", 1), ("--convention", "moc"), ("--linking", "road")])
def test_options_of_detectors_mean_nothing_for_recognisers(
    option: tuple[object, ...], loaded: dict[str, Fixed], data: Path
) -> None:
    done = evaluate("first", "--data", data, *option)
    assert done.exit_code == 1
    assert "leave out --hop, --convention, --linking" in " ".join(done.stderr.split())


def test_detectors_and_recognisers_are_not_compared_and_have_no_options_of_the_other(
    loaded: dict[str, Fixed], data: Path
) -> None:
    loaded["detector"] = Fixed([0.9, 0.5, 0.1], kind="mask")
    done = evaluate("--compare", "first", "detector", "--data", data)
    assert done.exit_code == 1
    assert "one model is a recogniser and the other finds actors" in " ".join(done.stderr.split())
    done = evaluate("detector", "--data", data, "--clips", 3)
    assert done.exit_code == 1
    assert "--clips is for recognisers" in done.stderr


def test_the_help_names_everything_that_can_be_chosen() -> None:
    shown = " ".join(evaluate("--help").output.replace("│", " ").split())
    for name in (*LINKINGS, *CONVENTIONS, *AVA_CONVENTIONS):
        assert name in shown, name


def test_ava_data_have_their_own_frame_map(loaded: dict[str, object], tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava", excluded="movie,0001\n")
    loaded["squares"] = LabelledSquares(dataset.labels)
    arguments = ("--data", tmp_path / "ava", "--split", "val", "--resamples", 100)
    out = tmp_path / "out"
    done = evaluate("squares", *arguments, "--out", out)
    assert done.exit_code == 0, done.output
    assert "AVA frame mAP@0.5" in done.output
    values = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert values["ava"] == {"frame_map_50": 0.5, "per_class": {"sit": 0.5, "stand": 0.5}}
    assert (out / "ava_per_class.png").stat().st_size > 1000

    label_map = tmp_path / "sit.pbtxt"
    label_map.write_text('item { name: "sit" id: 11 }', encoding="utf-8")
    options = ("--no-exclusions", "--label-map", label_map, "--ava-convention", "slowfast")
    done = evaluate("squares", *arguments, "--out", out, *options)
    assert done.exit_code == 0, done.output
    values = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert values["ava"]["per_class"] == {"sit": pytest.approx(4 / 9)}
    done = evaluate("squares", *arguments, "--out", out, "--ava-limit", 1)
    values = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert values["ava"]["per_class"] == {"sit": 0.5, "stand": 0.0}
    done = evaluate("squares", *arguments, "--ava-convention", "slowfest")
    assert "unknown AVA convention 'slowfest'. Did you mean 'slowfast'" in done.stderr


def test_objects_have_j_and_f_seen_and_unseen_apart_and_compared(
    loaded: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset = youtube_vos(tmp_path / "vos", "zebra")
    loaded["squares"] = LabelledSquares(dataset.labels)
    out = tmp_path / "out"
    arguments = ("--data", tmp_path / "vos", "--split", "valid", "--resamples", 100, "--out", out)
    done = evaluate("--compare", "squares", "squares", *arguments)
    assert done.exit_code == 0, done.output
    for text in ("2 objects of 1 sequences", "J unseen", "YouTube-VOS overall"):
        assert text in done.output, text
    values = json.loads((out / "a" / "scores.json").read_text(encoding="utf-8"))["objects"]
    assert (values["youtube_vos"]["j_seen"], values["all_frames"]["j_mean"]) == (
        1.0,
        pytest.approx((1 + 1 / 3) / 2),
    )
    assert values["per_object"]["valid 2"]["j"] == pytest.approx(1 / 3)
    assert (out / "b" / "objects.png").stat().st_size > 1000
    measures = json.loads((out / "comparison.json").read_text(encoding="utf-8"))["measures"]
    assert measures["J"] == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3)}
