from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from network_doubles import FRAMES, NUM_CLASSES, SIDE, BoxNetwork, box_batch
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.kernels.boxes_in_views import boxes_in_view
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.methods import build_method
from vadsdk.methods.box_family import BoxFamily
from vadsdk.methods.box_settings import BoxTermSettings, PseudoBoxSettings
from vadsdk.methods.pseudo_boxes import PseudoBoxes
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs

NOTHING = -8.0
"""Logit of a confidence near 0."""
SURE = 8.0


def family(
    network: BoxNetwork | None = None, terms: dict[str, Any] | None = None, **pseudo: Any
) -> BoxFamily:
    return BoxFamily(
        network or BoxNetwork(),
        BoxTermSettings.model_validate(terms or {}),
        PseudoBoxSettings.model_validate(pseudo),
    )


def view(strength: str | ViewSettings = "identity", count: int = 1, seed: int = 0) -> View:
    parameters = sample_view(count, strength, torch.Generator().manual_seed(seed))
    return View(clips=torch.zeros(count, 3, FRAMES, SIDE, SIDE), parameters=parameters)


def top_left_quarter() -> View:
    affine = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, -0.5]]], dtype=torch.float64)
    whole = view()
    return replace(whole, parameters=replace(whole.parameters, affines=affine))


def answer(
    *boxes: tuple[int, int, int], frame_class: int = NUM_CLASSES, num_frame_classes: int = 4
) -> BoxClipOutputs:
    """Return a sure answer to one clip: boxes of the first anchor as (row, column, class)."""
    predictions = torch.zeros(1, 2, 5 + NUM_CLASSES, 4, 4)
    predictions[:, :, 4] = NOTHING
    for row, column, label in boxes:
        predictions[0, 0, 4, row, column] = SURE
        predictions[0, 0, 5 + label, row, column] = SURE
    frame = torch.zeros(1, num_frame_classes)
    if num_frame_classes:
        frame[0, frame_class] = SURE
    return BoxClipOutputs(predictions, frame)


def found(pseudo: PseudoBoxes) -> list[tuple[list[float], list[int]]]:
    """Return boxes and classes of the first clip."""
    rows = pseudo.is_class[0].any(1)
    return [
        ([round(v, 3) for v in box.tolist()], label.nonzero()[:, 0].tolist())
        for box, label in zip(pseudo.boxes_xyxy01[0][rows], pseudo.is_class[0][rows], strict=True)
    ]


def test_labelled_rows_alone_are_supervised() -> None:
    network, batch = BoxNetwork(), box_batch()
    seen = View(clips=batch.clips.permute(0, 4, 1, 2, 3) / 255, parameters=view(count=6).parameters)
    outputs = network(seen.clips)
    losses = family(network).supervised_losses(outputs, batch, seen, 0.0)
    rows = torch.arange(3)
    first = View(clips=seen.clips[:3], parameters=seen.parameters.rows(rows))
    alone = BoxClipOutputs(*(part[:3] for part in outputs))
    expected = family(network).supervised_losses(alone, batch.rows(rows), first, 0.0)
    assert set(losses) == {"box", "objectness", "box_cls", "frame_cls"}
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name])


def test_where_annotation_is_sparse_only_annotated_key_frames_count() -> None:
    batch = box_batch(num_labelled=2, num_unlabelled=0)
    annotated = torch.ones(2, FRAMES, dtype=torch.bool)
    annotated[1, -1] = False
    outputs = BoxNetwork()(torch.rand(2, 3, FRAMES, SIDE, SIDE))
    losses = family().supervised_losses(
        outputs, replace(batch, annotated=annotated), view(count=2), 0.0
    )
    first = BoxClipOutputs(*(part[:1] for part in outputs))
    expected = family().supervised_losses(first, batch.rows(torch.arange(1)), view(), 0.0)
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name])


def test_a_key_frame_without_action_is_background_and_has_no_box() -> None:
    batch = box_batch(num_labelled=1, num_unlabelled=0)
    batch = replace(
        batch,
        class_indices=torch.tensor([-1]),
        box_classes=torch.full_like(batch.box_classes, -1),  # type: ignore[arg-type]
    )
    outputs = answer(frame_class=NUM_CLASSES)
    losses = family().supervised_losses(outputs, batch, view(), 0.0)
    assert losses["frame_cls"].item() == pytest.approx(math.log1p(3 * math.exp(-SURE)), rel=1e-3)
    assert losses["objectness"].item() < 1e-4
    assert losses["box"].item() == 0
    without = family(terms={"background_frames": False}).supervised_losses(
        outputs, batch, view(), 0.0
    )
    assert all(value.item() == 0 for value in without.values())


def test_the_frame_loss_is_weighed_by_beta_and_summed_where_the_region_loss_is() -> None:
    batch = box_batch(num_labelled=2, num_unlabelled=0)
    outputs = BoxNetwork()(torch.rand(2, 3, FRAMES, SIDE, SIDE))

    def losses(**terms: Any) -> dict[str, Tensor]:
        return family(terms=terms).supervised_losses(outputs, batch, view(count=2), 0.0)

    plain, summed = losses(), losses(reduction="sum", frame_weight=3.0)
    torch.testing.assert_close(summed["frame_cls"], 6 * plain["frame_cls"])
    torch.testing.assert_close(summed["objectness"], 2 * plain["objectness"])


def test_boxes_move_with_the_view() -> None:
    batch = box_batch(num_labelled=1, num_unlabelled=0)
    assert batch.boxes_xyxy01 is not None
    mirrored, _ = boxes_in_view(batch.boxes_xyxy01[:, -1], view("mirror").parameters, 0.0)
    moved = replace(batch, boxes_xyxy01=mirrored[:, None].expand(1, FRAMES, 1, 4))
    outputs = BoxNetwork()(torch.rand(1, 3, FRAMES, SIDE, SIDE))
    came = family().supervised_losses(outputs, batch, view("mirror"), 0.0)
    expected = family().supervised_losses(outputs, moved, view(), 0.0)
    torch.testing.assert_close(came["box"], expected["box"])


def test_confident_boxes_are_pseudo_labels_in_the_target_view() -> None:
    outputs = answer((0, 0, 1), (3, 2, 0))
    outputs.predictions[0, 1, 4, 1, 1] = -0.5  # less than 0.4 sure
    pseudo = family().pseudo_labels(outputs, view(), view("mirror"))
    assert found(pseudo) == [
        ([0.688, 0.0, 1.0, 0.312], [1]),  # cut to the frame
        ([0.188, 0.688, 0.562, 1.0], [0]),
    ]


def test_boxes_outside_of_the_taught_view_teach_nothing() -> None:
    outputs = answer((0, 0, 1), (3, 2, 0))
    pseudo = family().pseudo_labels(outputs, view(), top_left_quarter())
    assert [label for _, label in found(pseudo)] == [[1]]
    batch = box_batch(num_labelled=1, num_unlabelled=0)
    assert batch.boxes_xyxy01 is not None
    mostly_outside = torch.tensor([0.48, 0.1, 0.68, 0.3]).expand_as(batch.boxes_xyxy01)
    away = replace(batch, boxes_xyxy01=mostly_outside)
    assert family().supervised_losses(outputs, away, view(), 0.0)["box"].item() > 0
    assert family().supervised_losses(outputs, away, top_left_quarter(), 0.0)["box"].item() == 0


def test_boxes_that_repeat_a_more_confident_one_are_not_pseudo_labels() -> None:
    outputs = answer((1, 1, 1), (1, 2, 0))
    outputs.predictions[0, 0, 0, 1, 2] = -3.0  # next to the other's centre
    outputs.predictions[0, 0, 0, 1, 1] = 3.0
    outputs.predictions[0, 0, 4, 1, 2] = SURE - 1
    assert [label for _, label in found(family().pseudo_labels(outputs, view(), view()))] == [[1]]


@pytest.mark.parametrize(
    ("frame_class", "frame_logit", "expected"),
    [(1, SURE, [[1]]), (2, SURE, []), (NUM_CLASSES, SURE, []), (1, 1.0, [])],
)
def test_with_agreement_boxes_must_have_the_sure_class_of_their_frame(
    frame_class: int, frame_logit: float, expected: list[list[int]]
) -> None:
    outputs = answer((0, 0, 1), (3, 2, 0), frame_class=frame_class)
    outputs.frame_logits[0, frame_class] = frame_logit
    pseudo = family(class_agreement=True).pseudo_labels(outputs, view(), view())
    assert [label for _, label in found(pseudo)] == expected


def test_thresholds_decide_who_teaches() -> None:
    outputs = answer((0, 0, 1), frame_class=1)
    outputs.predictions[0, 0, 4, 0, 0] = 0.0
    for threshold, count in ((0.45, 1), (0.55, 0)):
        pseudo = family(objectness_threshold=threshold).pseudo_labels(outputs, view(), view())
        assert len(found(pseudo)) == count
    outputs.frame_logits[0, 1] = math.log(3)  # probability 1/2
    for threshold, is_known in ((0.45, True), (0.55, False)):
        pseudo = family(frame_threshold=threshold).pseudo_labels(outputs, view(), view())
        assert pseudo.is_known.all().item() is is_known


def test_a_clip_with_a_box_of_an_unsure_class_teaches_no_boxes() -> None:
    outputs = answer((0, 0, 1), (2, 2, 2), frame_class=1)
    outputs.predictions[0, 0, 7, 2, 2] = math.log(2)  # of 3 classes: probability 1/2
    for threshold, count in ((0.0, 2), (0.45, 2), (0.55, 0)):
        pseudo = family(min_class_probability=threshold).pseudo_labels(outputs, view(), view())
        assert len(found(pseudo)) == count
    outputs.predictions[0, 0, 4, 2, 2] = NOTHING  # the unsure one is no box at all
    pseudo = family(min_class_probability=0.55).pseudo_labels(outputs, view(), view())
    assert [classes for _, classes in found(pseudo)] == [[1]]


def test_a_threshold_of_one_class_is_refused_where_a_box_has_several() -> None:
    with pytest.raises(ConfigError, match=r"set pseudo_boxes\.class_threshold"):
        family(BoxNetwork(multi_label=True), min_class_probability=0.5)


def test_clips_without_pseudo_box_teach_no_boxes_but_count_in_the_mean() -> None:
    judge = family()
    sure = judge.pseudo_labels(answer((0, 0, 1), frame_class=1), view(), view())
    unsure = judge.pseudo_labels(BoxClipOutputs(*(0 * p for p in answer())), view(), view())
    unsure = unsure._replace(is_class=torch.zeros_like(unsure.is_class))
    both = PseudoBoxes(*(torch.cat(parts) for parts in zip(sure, unsure, strict=True)))
    outputs = BoxNetwork()(torch.rand(2, 3, FRAMES, SIDE, SIDE))
    losses = judge.pseudo_losses(outputs, both)
    alone = judge.pseudo_losses(BoxClipOutputs(*(part[:1] for part in outputs)), sure)
    names = {"pseudo_box", "pseudo_objectness", "pseudo_box_cls", "pseudo_frame_cls"}
    assert set(losses) == names
    for name in names:
        assert alone[name].item() > 0
        torch.testing.assert_close(losses[name], alone[name] / 2)


def test_pseudo_losses_are_those_of_labels_that_say_the_same() -> None:
    batch = box_batch(num_labelled=1, num_unlabelled=0)
    outputs = BoxNetwork()(torch.rand(1, 3, FRAMES, SIDE, SIDE))
    label = int(batch.class_indices[0])
    assert batch.boxes_xyxy01 is not None
    shown = torch.arange(NUM_CLASSES + 1)[None] == label
    pseudo = PseudoBoxes(
        boxes_xyxy01=batch.boxes_xyxy01[:, -1],
        is_class=shown[:, None, :NUM_CLASSES],
        is_shown=shown,
        is_known=torch.ones_like(shown),
        is_empty=torch.zeros(1, dtype=torch.bool),
    )
    judge = family(box_weight=2.0, frame_weight=3.0)
    came = judge.pseudo_losses(outputs, pseudo)
    expected = judge.supervised_losses(outputs, batch, view(), 0.0)
    for name in ("box", "objectness", "box_cls"):
        torch.testing.assert_close(came[f"pseudo_{name}"], 2 * expected[name])
    torch.testing.assert_close(came["pseudo_frame_cls"], 3 * expected["frame_cls"])


@pytest.mark.parametrize(
    ("negatives", "frame_teaches", "boxes_teach"),
    [("none", False, False), ("frame", True, False), ("frame+boxes", True, True)],
)
def test_frames_that_are_surely_background_teach_as_the_settings_say(
    negatives: str, frame_teaches: bool, boxes_teach: bool
) -> None:
    judge = family(class_agreement=True, negative_frames=negatives)
    pseudo = judge.pseudo_labels(answer((0, 0, 1)), view(), view())
    losses = judge.pseudo_losses(BoxNetwork()(torch.rand(1, 3, FRAMES, SIDE, SIDE)), pseudo)
    assert (losses["pseudo_frame_cls"].item() > 0) is frame_teaches
    assert (losses["pseudo_objectness"].item() > 0) is boxes_teach
    assert losses["pseudo_box"].item() == 0


def test_boxes_have_all_their_probable_actions_where_several_are_allowed() -> None:
    network = BoxNetwork(multi_label=True)
    outputs = answer((0, 0, 1), frame_class=1, num_frame_classes=NUM_CLASSES)
    outputs.predictions[0, 0, 5:, 0, 0] = torch.tensor([-2.0, 2.0, 2.0])
    outputs.frame_logits[0] = torch.tensor([-SURE, SURE, 1.0])  # not sure of the last
    pseudo = family(network).pseudo_labels(outputs, view(), view())
    assert [label for _, label in found(pseudo)] == [[1, 2]]
    assert pseudo.is_known.tolist() == [[True, True, False]]
    agreeing = family(network, class_agreement=True).pseudo_labels(outputs, view(), view())
    assert [label for _, label in found(agreeing)] == [[1]]
    losses = family(network).pseudo_losses(outputs, pseudo)
    assert losses["pseudo_frame_cls"].item() < 1e-3  # what it is sure of, it says
    empty = outputs._replace(frame_logits=torch.full((1, NUM_CLASSES), -SURE))
    nothing = family(network, negative_frames="frame+boxes").pseudo_labels(empty, view(), view())
    assert nothing.is_empty.tolist() == [True]


def test_a_multi_label_frame_shows_the_classes_of_all_its_boxes() -> None:
    network, batch = BoxNetwork(multi_label=True), box_batch(num_labelled=1, num_unlabelled=0)
    assert batch.boxes_xyxy01 is not None
    both = replace(
        batch,
        boxes_xyxy01=batch.boxes_xyxy01.expand(-1, -1, 2, -1),
        box_classes=torch.tensor([0, 2]).expand(1, FRAMES, 2),
    )
    outputs = answer(num_frame_classes=NUM_CLASSES, frame_class=0)
    outputs.frame_logits[0] = torch.tensor([SURE, -SURE, SURE])
    losses = family(network).supervised_losses(outputs, both, view(), 0.0)
    assert losses["frame_cls"].item() == pytest.approx(math.log1p(math.exp(-SURE)), rel=1e-3)


def test_answers_that_are_each_others_mirror_agree() -> None:
    outputs = answer((0, 0, 1), (3, 2, 0), frame_class=1)
    outputs.predictions[0, 0, :4, 0, 0] = torch.tensor([1.0, 0.5, 0.2, -0.3])
    mirrored = outputs._replace(predictions=outputs.predictions.flip(-1).clone())
    mirrored.predictions[:, :, 0] *= -1  # sigmoid(-x) = 1 - sigmoid(x)
    judge = family()
    losses = judge.consistency_losses(outputs, view(), mirrored, view("mirror"))
    assert set(losses) == {"cons_cls", "cons_loc", "cons_frame_cls"}
    assert all(value.item() == pytest.approx(0, abs=1e-6) for value in losses.values())
    as_they_are = judge.consistency_losses(outputs, view(), mirrored, view())
    assert as_they_are["cons_cls"].item() > 0.1


def test_consistency_measures_offsets_of_confident_cells() -> None:
    outputs, targets = answer((1, 1, 1)), answer((1, 1, 1))
    targets.predictions[0, 0, 2, 1, 1] = 0.6  # log width
    targets.predictions[0, 0, 0, 1, 1] = math.log(3)  # 3/4 of the cell instead of 1/2
    targets.predictions[0, 1, 3, 2, 2] = 5.0  # where nothing is
    losses = family(box_weight=2.0).consistency_losses(outputs, view(), targets, view())
    assert losses["cons_loc"].item() == pytest.approx(2 * (0.36 + 0.0625) / 4, rel=1e-4)


def test_consistency_pulls_both_answers_and_moves_boxes_between_crops() -> None:
    crop = ViewSettings(zoom=(0.5, 0.5))
    outputs, targets = answer((1, 1, 1)), answer((1, 1, 1), (2, 2, 1))
    outputs.predictions.requires_grad_()
    targets.predictions.requires_grad_()
    losses = family().consistency_losses(outputs, view(), targets, view(crop, seed=4))
    losses["cons_loc"].backward()
    for answers in (outputs, targets):
        assert answers.predictions.grad is not None
        assert answers.predictions.grad.isfinite().all()
        assert answers.predictions.grad.any()


def test_cells_that_the_other_view_does_not_show_are_not_compared() -> None:
    # The centre of cell 1 lies in cell 3 of the quarter; cells 2 and 3 lie beyond it.
    targets = answer((3, 3, 1))
    losses = family().consistency_losses(answer((1, 1, 1)), view(), targets, top_left_quarter())
    assert losses["cons_cls"].item() == pytest.approx(0, abs=1e-6)
    others = family().consistency_losses(answer((1, 1, 0)), view(), targets, top_left_quarter())
    assert others["cons_cls"].item() > 0.5


def test_consistency_without_confident_cell_is_a_connected_zero() -> None:
    outputs = answer()
    outputs.predictions.requires_grad_()
    losses = family().consistency_losses(outputs, view(), answer(), view())
    (losses["cons_cls"] + losses["cons_loc"]).backward()
    assert losses["cons_loc"].item() == losses["cons_cls"].item() == 0
    assert outputs.predictions.grad is not None


def test_the_class_of_a_clip_is_its_frames_or_its_best_boxes() -> None:
    outputs = answer((0, 0, 1), frame_class=NUM_CLASSES)
    outputs.frame_logits[0, 2] = 1.0
    assert family().best_classes(outputs).tolist() == [2]  # background is no action
    assert family().class_logits(outputs).argmax(1).tolist() == [NUM_CLASSES]
    headless = outputs._replace(frame_logits=torch.zeros(1, 0))
    judge = family(BoxNetwork(frame_head=False))
    assert judge.best_classes(headless).tolist() == [1]
    pseudo = judge.pseudo_labels(headless, view(), view())
    assert set(judge.pseudo_losses(headless, pseudo)) == {
        "pseudo_box",
        "pseudo_objectness",
        "pseudo_box_cls",
    }


def test_views_that_reverse_time_are_refused_before_training() -> None:
    backwards = {"time_reversal_probability": 0.5}
    with pytest.raises(ConfigError, match="setting 'view' has views that are reversed in time"):
        build_method("supervised", BoxNetwork(), {"view": backwards})


def iou(box: Tensor, other: Tensor) -> float:
    both = (torch.minimum(box[2:], other[2:]) - torch.maximum(box[:2], other[:2])).clamp_min(0)
    areas = [(b[2:] - b[:2]).prod().item() for b in (box, other)]
    return both.prod().item() / (sum(areas) - both.prod().item())


def test_a_box_network_learns_a_handful_of_clips_by_heart() -> None:
    network, batch = BoxNetwork(), box_batch(num_labelled=8, num_unlabelled=0)
    method = build_method("supervised", network, {"view": "identity"})
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    first = last = 0.0
    for _ in range(100):
        optimiser.zero_grad()
        loss = torch.stack(list(method.losses(batch, 0.5).values())).sum()
        loss.backward()
        optimiser.step()
        last = loss.item()
        first = first or last
    assert last < 0.1 * first
    clips = method._views.make(batch.clips, "identity").clips
    with torch.no_grad():
        outputs = network(clips)
        boxes, objectness, scores = network.decode(outputs.predictions)
    best = objectness.argmax(1)
    assert batch.boxes_xyxy01 is not None
    for row in range(8):
        assert iou(boxes[row, best[row]], batch.boxes_xyxy01[row, -1, 0]) > 0.7
        assert scores[row, best[row]].argmax() == batch.class_indices[row]
    assert outputs.frame_logits.argmax(1).tolist() == batch.class_indices.tolist()
