from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from network_doubles import NUM_CLASSES, ColourNetwork, colour_batch
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods import E2E, METHODS, E2ESettings, Method, build_method
from vadsdk.methods.consistency import spatiotemporal_consistency
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs

SUPERVISED = {"cls", "loc_bce", "loc_dice"}
TABLE_ROWS: dict[str, tuple[dict[str, object], set[str]]] = {
    "supervised": ({"classification_consistency": False, "localisation": "none"}, set()),
    "CC": ({"localisation": "none"}, {"cons_cls"}),
    "LC": ({"classification_consistency": False, "localisation": "l2"}, {"cons_loc"}),
    "CC + LC": ({"localisation": "l2"}, {"cons_cls", "cons_loc"}),
    **{
        name: ({"classification_consistency": False, **row}, {"cons_loc"})
        for name, row in {
            "V": {"cyclic": False, "non_attentive_l2": False},
            "V + VC": {"non_attentive_l2": False},
            "V + L2": {"cyclic": False},
            "V + VC + L2": {},
            "G": {"localisation": "gradient"},
            "G + L2": {"localisation": "gradient", "non_attentive_l2": True},
            "V + G": {"localisation": "variance+gradient"},
        }.items()
    },
}
ELSEWHERE = {"dual_guidance", "co_ssd", "fixmatch", "mean_teacher", "mixmatch", "pseudo_label"}
"""Methods that are not for masks alone, or show the network other clips first."""
MASK_METHODS = [name for name in METHODS if name not in ELSEWHERE]
MIDWAY = 0.5


def losses_of(batch: ClipBatch, progress: float = MIDWAY, **settings: object) -> dict[str, Tensor]:
    return build_method("e2e", ColourNetwork(), settings).losses(batch, progress)


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("row", TABLE_ROWS)
def test_every_row_of_tables_1_and_3_can_be_configured(row: str) -> None:
    settings, consistencies = TABLE_ROWS[row]
    losses = losses_of(colour_batch(), **settings)
    assert losses.keys() == SUPERVISED | consistencies
    assert all(value.isfinite() and value >= 0 for value in losses.values())


def test_the_rows_of_table_3_differ() -> None:
    batch = colour_batch()
    rows = [row for row, (_, names) in TABLE_ROWS.items() if names == {"cons_loc"}]
    values = [losses_of(batch, **TABLE_ROWS[row][0])["cons_loc"].item() for row in rows]
    assert len(set(values)) == len(rows)


@pytest.mark.parametrize("name", MASK_METHODS)
@pytest.mark.parametrize("progress", [0.0, MIDWAY])
def test_what_unlabelled_rows_hide_never_matters(name: str, progress: float) -> None:
    batch = colour_batch()
    masks, classes = batch.masks.clone(), batch.class_indices.clone()
    masks[3:], classes[3:] = 1 - masks[3:], -1
    blind = replace(batch, masks=masks, class_indices=classes)
    came = [build_method(name, ColourNetwork()).losses(b, progress) for b in (batch, blind)]
    assert_same(*came)


def test_unlabelled_clips_do_matter_to_e2e_and_not_to_supervised() -> None:
    batch = colour_batch()
    clips = batch.clips.clone()
    clips[3:] = clips[3:].flip(3)
    other = replace(batch, clips=clips)
    for name, matters in (("e2e", True), ("supervised", False)):
        first, second = (
            sum(build_method(name, ColourNetwork()).losses(b, MIDWAY).values())
            for b in (batch, other)
        )
        assert (first != second) == matters


def test_the_weights_are_those_of_equations_8_and_9() -> None:
    batch = colour_batch()
    plain = losses_of(batch, lambda_total=1, lambda_cls=1, lambda_loc=1)
    paper = losses_of(batch)
    torch.testing.assert_close(paper["cons_cls"], 0.1 * 0.3 * plain["cons_cls"])
    torch.testing.assert_close(paper["cons_loc"], 0.1 * 0.7 * plain["cons_loc"])


@pytest.mark.parametrize("name", ["supervised", "e2e"])
def test_the_margin_rises_after_the_share_of_the_training_that_is_set(name: str) -> None:
    batch = colour_batch()

    def spread(progress: float, **terms: float) -> Tensor:
        method = build_method(name, ColourNetwork(), {"terms": terms})
        return method.losses(batch, progress)["cls"]

    lowest = spread(0.0)
    assert torch.equal(spread(0.099, margin_step=0.1), lowest)
    assert torch.equal(spread(0.1, margin_step=0.1), spread(0.05))
    assert spread(0.1) > spread(0.05) > lowest


def test_lambda_is_ramped_up_over_its_share_of_the_training() -> None:
    batch = colour_batch()
    for progress, share in ((0.1, exp_rampup(0.1, 0.4)), (0.4, 1.0), (0.9, 1.0)):
        ramped = losses_of(batch, progress, lambda_ramp_fraction=0.4)
        plain = losses_of(batch, progress)
        for name in ("cons_cls", "cons_loc"):
            torch.testing.assert_close(ramped[name], share * plain[name])
        assert torch.equal(ramped["cls"], plain["cls"])


@pytest.mark.parametrize("localisation", ["l2", "variance", "gradient"])
@pytest.mark.parametrize(("target", "through_original"), [("both", True), ("stop_original", False)])
def test_consistency_pulls_on_the_views_that_are_asked_for(
    localisation: str, target: str, through_original: bool
) -> None:
    settings = E2ESettings.model_validate(
        {"localisation": localisation, "consistency_target": target}
    )
    network = ColourNetwork()
    batch = colour_batch()
    method = E2E(network, settings)
    original = method._views.make(batch.clips, "weak")
    augmented = method._views.make(batch.clips, "strong")
    for view in (original, augmented):
        view.clips.requires_grad_()
    losses = method.losses_of_views(original, augmented, batch, MIDWAY)
    for name in ("cons_cls", "cons_loc"):
        first, second = torch.autograd.grad(
            losses[name], (original.clips, augmented.clips), allow_unused=True, retain_graph=True
        )
        assert second is not None
        assert second.any(), name
        assert (first is not None and bool(first.any())) == through_original, name


def test_consistency_compares_the_same_place_of_the_video() -> None:
    """A network that answers pixel by pixel is consistent under any geometry."""
    geometry = {"flip_probability": 0.5, "zoom": [0.7, 1.0], "rotation_degrees": 10}
    y, x = torch.meshgrid(torch.linspace(0, 3, 32), torch.linspace(0, 3, 32), indexing="ij")
    waves = (127 + 100 * torch.sin(x) * torch.cos(y)).round().to(torch.uint8)
    batch = colour_batch()
    clips = waves[None, None, :, :, None].expand(6, 4, 32, 32, 3)
    masks = torch.zeros((6, 4, 32, 32), dtype=torch.uint8)
    smooth = replace(batch, clips=clips, masks=masks, successors=None)
    network = ColourNetwork()
    for parameter in network.body.parameters():
        centre = parameter.data[..., 1:2, 1:2, 1:2].clone() if parameter.ndim == 5 else None
        if centre is not None:
            parameter.data.zero_()
            parameter.data[..., 1:2, 1:2, 1:2] = centre
    settings = {"localisation": "l2", "original_view": geometry, "augmented_view": geometry}
    aligned = build_method("e2e", network, settings).losses(smooth, 0.0)["cons_loc"]
    first = network.clips[0]
    unaligned = (0.07 * (first - first.flip(-1)).square().mean()).item()
    assert aligned.item() < 0.01 * unaligned


def test_masks_are_taught_where_the_view_shows_the_actor() -> None:
    class BrightPixels(ColourNetwork):
        def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
            return (
                super().forward(clips, condition)._replace(mask_logits=100 * (clips.amax(1) - 0.65))
            )

    geometry = {"flip_probability": 0.5, "zoom": [0.7, 1.0], "rotation_degrees": 20}
    method = build_method("supervised", BrightPixels(), {"view": geometry})
    assert method.losses(colour_batch(), MIDWAY)["loc_dice"] < 0.1


def test_attention_is_not_drawn_to_where_the_other_view_saw_nothing() -> None:
    """Both answers are flat; only frames near the seam of the cycle vary, by (a - b)."""
    first, second = 0.2, 0.3
    flat = [torch.full((1, 8, 16, 16), p).logit() for p in (first, second)]
    crop = sample_view(1, ViewSettings(zoom=(0.5, 0.5)), torch.Generator().manual_seed(0))
    views = [View(clips=torch.zeros(0), parameters=p) for p in (sample_view(1, "identity"), crop)]
    settings = E2ESettings(window=3, non_attentive_l2=False)
    loss = spatiotemporal_consistency((views[0], flat[0]), (views[1], flat[1]), MIDWAY, settings)
    # A0 and A7 have one frame of the other view in their window, the others none: M = 1 0 .. 0 1
    assert loss.item() == pytest.approx((first - second) ** 2 * 2 / 8, rel=1e-4)


def test_labelled_rows_are_decoded_for_their_class_and_unlabelled_ones_for_all_then_their_own() -> (
    None
):
    labelled = torch.eye(NUM_CLASSES)
    for progress, unlabelled in ((0.05, torch.ones(3, 3)), (0.1, torch.zeros(3, 3))):
        network = ColourNetwork()
        build_method("e2e", network).losses(colour_batch(), progress)
        assert torch.equal(network.conditions[0], torch.cat((labelled, unlabelled)))


@pytest.mark.parametrize("shared", [True, False])
def test_both_views_of_an_unlabelled_clip_are_decoded_for_one_class_unless_told(
    shared: bool,
) -> None:
    network = ColourNetwork()
    build_method("e2e", network, {"shared_condition": shared}).losses(colour_batch(), MIDWAY)
    first, second = network.conditions
    assert not first[3:].any()
    own = network(network.clips[0], first).class_scores.argmax(1)
    expected = torch.nn.functional.one_hot(own, NUM_CLASSES).float() if shared else first
    assert torch.equal(second[3:], expected[3:])
    assert torch.equal(second[:3], first[:3])


def test_a_labelled_clip_without_action_teaches_empty_masks_and_no_class() -> None:
    batch = colour_batch(num_labelled=1, num_unlabelled=0)
    empty = replace(batch, masks=torch.zeros_like(batch.masks), class_indices=torch.tensor([-1]))
    network = ColourNetwork()
    losses = build_method("supervised", network).losses(empty, MIDWAY)
    assert losses["cls"].item() == 0
    assert losses["loc_bce"].item() > 0
    assert not network.conditions[0].any()


@pytest.mark.parametrize("name", MASK_METHODS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_labelled_clips_learns_masks_under_the_networks_own_class(
    name: str, share: float
) -> None:
    torch.manual_seed(0)
    decoded_as_labelled = 0
    for _ in range(40):
        network = ColourNetwork()
        settings = {"terms": {"own_class_share": share}}
        build_method(name, network, settings).losses(colour_batch(), MIDWAY)
        decoded_as_labelled += int(network.conditions[0][:3].any(1).sum())
    assert decoded_as_labelled / 120 == pytest.approx(1 - share, abs=0.1)


@pytest.mark.parametrize("name", MASK_METHODS)
def test_masks_of_frames_that_nobody_annotated_never_matter(name: str) -> None:
    batch = colour_batch()
    annotated = torch.zeros(batch.clips.shape[:2], dtype=torch.bool)
    annotated[:3, 2] = True
    other_masks = batch.masks.clone()
    other_masks[:, [0, 1, 3]] = 1 - other_masks[:, [0, 1, 3]]
    losses = [
        build_method(name, ColourNetwork()).losses(
            replace(batch, masks=masks, annotated=known), MIDWAY
        )
        for masks, known in (
            (batch.masks, annotated),
            (other_masks, annotated),
            (other_masks, None),
        )
    ]
    assert_same(losses[0], losses[1])
    assert not torch.equal(losses[1]["loc_bce"], losses[2]["loc_bce"])


@pytest.mark.parametrize("name", MASK_METHODS)
def test_a_batch_without_labels_gives_connected_zeros(name: str) -> None:
    network = ColourNetwork()
    batch = colour_batch(num_labelled=0)
    losses = build_method(name, network).losses(batch, MIDWAY)
    for term in SUPERVISED:
        assert losses[term].item() == pytest.approx(0)
        assert losses[term].requires_grad
    sum(losses.values(), torch.zeros(())).backward()


def test_supervised_with_two_views_is_e2e_without_its_consistency() -> None:
    off = {"classification_consistency": False, "localisation": "none"}
    views = {"original_view": "weak", "augmented_view": "strong"}
    settings = {**off, **views, "supervise_both_views": True, "seed": 4}
    batch = colour_batch(num_unlabelled=0)
    alike = build_method("e2e", ColourNetwork(), settings).losses(batch, MIDWAY)
    settings = {"view": "weak", "second_view": "strong", "seed": 4}
    found = build_method("supervised", ColourNetwork(), settings).losses(batch, MIDWAY)
    assert found.keys() == alike.keys()
    for name, loss in found.items():
        assert loss.item() == pytest.approx(alike[name].item(), rel=1e-5)


def test_supervising_both_views_averages_their_losses() -> None:
    batch = colour_batch()
    both, first = (
        losses_of(batch, localisation="none", supervise_both_views=flag) for flag in (True, False)
    )
    swapped_network = ColourNetwork()
    method = E2E(swapped_network, E2ESettings(localisation="none"))
    original = method._views.make(batch.clips, "weak")
    augmented = method._views.make(batch.clips, "strong")
    second = method.losses_of_views(augmented, original, batch, MIDWAY)
    for term in SUPERVISED:
        torch.testing.assert_close(both[term], (first[term] + second[term]) / 2)


@pytest.mark.parametrize(
    ("name", "classification"),
    [
        ("supervised", "spread"),
        ("supervised", "cross_entropy"),
        ("e2e", "spread"),
        ("e2e", "released_spread"),
    ],
)
def test_losses_go_down(name: str, classification: str) -> None:
    network = ColourNetwork()
    method = build_method(name, network, {"terms": {"classification": classification}})
    totals = []
    for step in range(30):
        total = sum(method.losses(colour_batch(seed=step), 0.2).values(), torch.zeros(()))
        network.zero_grad()
        total.backward()
        for parameter in network.parameters():  # sign descent: no optimiser to import
            parameter.data -= 0.02 * parameter.grad.sign()
        method.after_step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.6 * sum(totals[:5])


def test_a_resumed_method_sees_the_views_it_would_have_seen() -> None:
    batch = colour_batch()
    first: Method = build_method("e2e", ColourNetwork())
    first.losses(batch, MIDWAY)
    state = first.state_dict()
    expected = first.losses(batch, MIDWAY)
    resumed = build_method("e2e", ColourNetwork(), {"seed": 7})
    resumed.load_state_dict(state)
    assert_same(resumed.losses(batch, MIDWAY), expected)
    assert all(isinstance(value, Tensor) for value in state.values())


def test_another_seed_gives_other_views() -> None:
    batch = colour_batch()
    assert losses_of(batch, seed=0)["cls"] != losses_of(batch, seed=1)["cls"]


def test_half_precision_answers_are_compared_in_single_precision() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(colour_batch())
    assert all(value.dtype == torch.float32 for value in losses.values())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("e2f", None, "unknown method 'e2f'. Did you mean 'e2e'"),
        ("e2e", {"lambda_totl": 1}, "'lambda_totl'. Did you mean 'lambda_total'"),
        ("e2e", {"window": 4}, "'window' of method 'e2e' cannot be 4: .*odd"),
        ("e2e", {"localisation": "l3"}, "'localisation' .* cannot be 'l3'"),
        ("supervised", {"view": "strng"}, "unknown view strength 'strng'. Did you mean 'strong'"),
        ("supervised", {"terms": {"cls": 2}}, "'terms.cls'"),
        ("supervised", {"terms": {"label_smoothing": 0.1}}, "label_smoothing needs"),
        (
            "e2e",
            {"terms": {"classification": "cross_entropy", "margin_step": 0.1}},
            "margin_step needs classification = spread",
        ),
    ],
)
def test_what_is_not_understood_is_named(
    name: str, settings: dict[str, object] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_method(name, ColourNetwork(), settings)


def test_settings_may_come_as_the_text_of_a_command_line() -> None:
    settings = E2ESettings.model_validate({"lambda_total": "0.5", "cyclic": "false", "window": "3"})
    assert (settings.lambda_total, settings.cyclic, settings.window) == (0.5, False, 3)


def test_a_network_of_another_kind_is_refused_with_the_reason() -> None:
    network = ColourNetwork()
    network.kind = "box"
    with pytest.raises(ConfigError, match=r"'e2e' is for mask networks, not for a box network: .*"):
        build_method("e2e", network)
