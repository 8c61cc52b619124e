from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.sampling import ClipSampler
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.training import learned_videos as learned_videos_module
from vadsdk.training import run_folder
from vadsdk.training.labelled_data import labelled_dataset
from vadsdk.training.learned_videos import learned_videos, share_of_rank
from vadsdk.training.session import Session
from vadsdk.training.settings import DataSettings, RunConfig, with_overrides
from vadsdk.training.watcher import SilentWatcher

SIZE = (32, 32)


class Heard(SilentWatcher):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stage(self, title: str, total: int) -> Callable[[int, int], None]:
        self.stages.append(title)
        return lambda done, total: None


@pytest.fixture
def banks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VADSDK_BANKS", str(tmp_path / "banks"))
    return tmp_path / "banks"


def videos_of(folder: Path, watcher: Heard, **settings: object) -> DecodedVideos:
    given = {"root": str(folder), "labelled_fraction": 0.5, "num_decoders": 1} | settings
    chosen = DataSettings.model_validate(given)
    dataset = labelled_dataset(chosen, SilentWatcher())
    records = dataset.split("train")
    device = torch.device("cpu")
    return learned_videos(dataset, records, chosen, store_size=SIZE, device=device, watcher=watcher)


def sampler_of(videos: DecodedVideos) -> ClipSampler:
    labels = sorted({tube.label for record in videos.records for tube in record.tubes})
    return ClipSampler(
        videos,
        labels,
        clip_length=4,
        frame_stride=2,
        num_labelled=2,
        num_unlabelled=3,
        seed=0,
        key_frame="last",
        with_successors=True,
    )


def test_batches_are_the_same_with_a_bank_and_without(toy_folder: Path, banks: Path) -> None:
    without = sampler_of(videos_of(toy_folder, Heard(), bank="off"))
    assert not banks.exists()
    banked = videos_of(toy_folder, Heard())
    assert banked.bank is not None
    assert banked.num_stored_bytes == 0
    again = sampler_of(videos_of(toy_folder, Heard()))
    for step in range(6):
        expected = without.batch(step)
        assert expected.masks.any()
        for sampler in (sampler_of(banked), again):
            found = sampler.batch(step)
            for name in ("clips", "masks", "class_indices", "labelled", "successors"):
                assert torch.equal(getattr(found, name), getattr(expected, name)), name
            assert torch.equal(found.boxes_xyxy01, expected.boxes_xyxy01)
            assert torch.equal(found.box_classes, expected.box_classes)


def test_the_bank_serves_other_labels_of_the_same_data(toy_folder: Path, banks: Path) -> None:
    videos_of(toy_folder, Heard())
    heard = Heard()
    other = videos_of(toy_folder, heard, labelled_seed=7)
    assert "building the clip bank" in heard.stages
    assert not heard.notes
    assert len(list(banks.iterdir())) == 1
    alone = videos_of(toy_folder, Heard(), labelled_seed=7, bank="off")
    found, expected = sampler_of(other).batch(0), sampler_of(alone).batch(0)
    assert torch.equal(found.clips, expected.clips)
    assert torch.equal(found.masks, expected.masks)


def test_on_a_cpu_a_bank_is_made_by_itself_only_of_what_fits_whole(
    toy_folder: Path, banks: Path
) -> None:
    heard = Heard()
    assert videos_of(toy_folder, heard, memory_gigabytes=1e-3).bank is None
    assert not banks.exists()
    assert heard.stages[-1] == "decoding"


def test_what_exceeds_the_memory_is_read_from_its_files_beside_a_bank(
    toy_folder: Path, tmp_path: Path
) -> None:
    heard = Heard()
    partly = videos_of(toy_folder, heard, memory_gigabytes=1e-3, bank=str(tmp_path / "partly.bank"))
    assert partly.bank is not None
    assert f"there is no clip bank {tmp_path / 'partly.bank'} yet: it is made" in heard.notes
    num_lazy = len(partly.records) - len(partly.bank.records)
    assert 0 < num_lazy < len(partly.records)
    assert f"{num_lazy} videos are not in the clip bank" in heard.notes[-1]
    whole = sampler_of(videos_of(toy_folder, Heard(), bank="off"))
    for step in range(4):
        found, expected = sampler_of(partly).batch(step), whole.batch(step)
        assert torch.equal(found.clips, expected.clips)
        assert torch.equal(found.masks, expected.masks)


def test_without_room_on_the_disk_there_is_no_bank_and_a_note(
    toy_folder: Path, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(toy_folder)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    heard = Heard()
    assert videos_of(toy_folder, heard).bank is None
    assert "no clip bank: " in heard.notes[0]
    assert not banks.exists()


def as_first_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_videos_module, "num_ranks", lambda: 2)


def test_each_of_two_processes_draws_from_its_share_if_asked(
    toy_folder: Path, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, settings = Heard(), DataSettings(root=str(toy_folder), shard_bank=True)
    videos = videos_of(toy_folder, heard)
    device = torch.device("cpu")
    assert share_of_rank(videos, settings, device, heard.note) is None  # alone
    as_first_of_two(monkeypatch)
    share = share_of_rank(videos, settings, device, heard.note)
    assert share is not None
    assert videos.whole_bank is not None
    expected = videos.whole_bank.shard(0, 2)
    assert share.num_frames == expected.num_frames
    assert f"its own share of the clip bank: {len(expected.records)} videos" in heard.notes[-1]
    off = settings.model_copy(update={"shard_bank": False})
    assert share_of_rank(videos, off, device, heard.note) is None


def test_shares_of_a_bank_that_there_is_not_are_refused(
    toy_folder: Path, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = videos_of(toy_folder, Heard(), bank="off")
    as_first_of_two(monkeypatch)
    settings = DataSettings(root=str(toy_folder), shard_bank=True)
    with pytest.raises(ConfigError, match=r"this run has none; set data\.bank"):
        share_of_rank(videos, settings, torch.device("cpu"), Heard().note)


@pytest.mark.parametrize(("card_bytes", "shards"), [(0.4, False), (0.6, True), (1.1, False)])
def test_by_itself_a_bank_is_shared_out_where_only_a_share_fits_a_card(
    toy_folder: Path,
    banks: Path,
    monkeypatch: pytest.MonkeyPatch,
    card_bytes: float,
    shards: bool,
) -> None:
    heard, settings = Heard(), DataSettings(root=str(toy_folder))
    videos = videos_of(toy_folder, heard)
    bank = videos.whole_bank
    assert bank is not None
    as_first_of_two(monkeypatch)
    size = int(card_bytes * bank.num_bytes)
    free = {"cuda": size, "cpu": 0}
    monkeypatch.setattr(learned_videos_module, "free_share", lambda device: free[device.type])
    monkeypatch.setattr(  # the other rank says the same
        learned_videos_module, "sum_over_ranks", lambda vote: 2 * vote
    )
    card = torch.device("cuda")
    share = share_of_rank(videos, settings, card, heard.note)
    assert (share is not None) == shards
    assert share_of_rank(videos, settings, torch.device("cpu"), heard.note) is None


def config_of(folder: Path, bank: str) -> RunConfig:
    settings = [
        f"data.root={folder}",
        f"data.bank={bank}",
        "data.labelled_fraction=0.5",
        "data.store_size=112",
        "train.max_steps=2",
        "train.batch_labelled=2",
        "train.batch_unlabelled=1",
        "train.precision=fp32",
    ]
    return with_overrides(RunConfig(), settings)


def test_a_run_from_a_bank_needs_no_video_and_ends_with_the_same_weights(
    toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(toy_folder, folder)
    ends = []
    for bank in ("off", str(tmp_path / "a.bank"), str(tmp_path / "a.bank")):
        run = tmp_path / f"run{len(ends)}"
        session = Session(run_folder.start_run(run, config_of(folder, bank), resume=False), run)
        session._score = lambda split: None  # type: ignore[method-assign]  # of the test videos
        session.run()
        ends.append(load_checkpoint(run / run_folder.BEST)[0].state_dict())
        if bank != "off":
            for record in session.dataset.split("train"):
                record.path.unlink(missing_ok=True)
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name])
        assert torch.equal(value, ends[2][name])


def test_a_video_in_the_bank_and_in_an_unlabelled_folder_is_one_too_many(
    toy_folder: Path, tmp_path: Path
) -> None:
    dataset = labelled_dataset(DataSettings(root=str(toy_folder)), SilentWatcher())
    twice = [dataset.split("train")[0], replace(dataset.split("train")[0], tubes=())]
    settings = DataSettings(root=str(toy_folder), bank=str(tmp_path / "a.bank"))
    with pytest.raises(DatasetError, match="two videos are called"):
        learned_videos(
            dataset,
            twice,
            settings,
            store_size=SIZE,
            device=torch.device("cpu"),
            watcher=SilentWatcher(),
        )
