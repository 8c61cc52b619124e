from __future__ import annotations

from typing import Any

import pytest
import torch

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_sources import IndexedClips


def make_batch(**changes: Any) -> ClipBatch:
    fields = {
        "clips": torch.zeros(3, 4, 6, 8, 3, dtype=torch.uint8),
        "masks": torch.zeros(3, 4, 6, 8, dtype=torch.uint8),
        "class_indices": torch.tensor([1, 0, -1]),
        "labelled": torch.tensor([True, True, False]),
    }
    return ClipBatch(**(fields | changes))


def test_labelled_and_unlabelled_rows_are_parts_and_the_first_ones_are_the_labelled() -> None:
    batch = make_batch(clips=torch.arange(3 * 4 * 6 * 8 * 3).view(3, 4, 6, 8, 3).to(torch.uint8))
    labelled, unlabelled = batch.labelled_part(), batch.unlabelled_part()
    assert (labelled.num_labelled, unlabelled.num_labelled) == (2, 0)
    assert torch.equal(torch.cat((labelled.clips, unlabelled.clips)), batch.clips)
    assert (batch.first_rows.tolist(), batch.last_rows.tolist()) == ([0, 1], [2])
    for labels in ([False, True, True], [True, False, True]):
        with pytest.raises(ValueError, match="in the first num_labelled rows and nowhere else"):
            make_batch(labelled=torch.tensor(labels))
    with pytest.raises(ValueError, match="num_labelled=1"):
        make_batch(num_labelled=1)


def test_a_copy_has_memory_of_its_own() -> None:
    batch = make_batch()
    copy = batch.copied_to(torch.device("cpu"))
    copy.clips.fill_(7)
    assert not batch.clips.any()
    assert copy.num_labelled == 2


def test_a_batch_moves_to_a_device_whole() -> None:
    moved = make_batch().to("meta")
    assert {t.device.type for t in (moved.clips, moved.masks, moved.class_indices)} == {"meta"}
    assert moved.labelled.device.type == "meta"
    assert len(moved) == 3
    assert make_batch().num_labelled == 2


def test_of_clips_in_a_bank_only_their_whereabouts_are_cut_copied_and_moved() -> None:
    bank = torch.zeros(20, 6, 8, 3, dtype=torch.uint8)
    places = torch.arange(12).view(3, 4)
    lying, following = IndexedClips(bank, places), IndexedClips(bank, places + 1)
    batch = make_batch(clips=lying, successors=following)
    copy = batch.copied_to(torch.device("cpu"))
    copy.tensors()["clips"].fill_(7)
    assert copy.bank() is bank
    assert torch.equal(lying.indices, places)
    rest = batch.unlabelled_part()
    assert rest.bank() is bank
    assert torch.equal(rest.tensors()["successors"], places[2:] + 1)
    moved = batch.to("meta")
    assert isinstance(moved.successors, IndexedClips)
    assert moved.bank() is moved.successors.frames
    assert {moved.clips.device.type, moved.tensors()["clips"].device.type} == {"meta"}
    assert make_batch().bank() is None
    apart = torch.zeros(3, 4, 6, 8, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="successors lie in the same bank as the clips"):
        make_batch(clips=lying, successors=apart)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"clips": torch.zeros(3, 4, 6, 8, 3)}, "clips are .* uint8"),
        ({"masks": torch.zeros(3, 4, 6, 9, dtype=torch.uint8)}, r"masks are \(3, 4, 6, 8\) uint8"),
        ({"class_indices": torch.zeros(2, dtype=torch.int64)}, r"class_indices are \(3,\) int64"),
        ({"labelled": torch.zeros(3)}, r"labelled is \(3,\) bool"),
    ],
)
def test_a_field_of_another_shape_is_refused(changes: dict[str, torch.Tensor], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_batch(**changes)
