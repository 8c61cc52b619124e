"""Every reader against annotation that was damaged at random: it reads it, or says what is wrong.

`make fuzz` gives each reader a minute (VADSDK_FUZZ_SECONDS); the suite tries some dozen files.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_seeds import SEEDS

from vadsdk.data.dataset import FORMATS, open_dataset
from vadsdk.errors import VadsdkError

SECONDS = float(os.environ.get("VADSDK_FUZZ_SECONDS", "0"))
NUM_EXAMPLES = 200 if SECONDS else 40
SLOWEST_SECONDS = 10.0
TOKENS = (
    *(b"", b"\x00", b"\xff\xfe", b"\n", b",", b'"', b"<", b">", b"&a;", b"{", b"[", b"]}", b"null"),
    *(b"NaN", b"-1", b"1e999", b"Infinity", b"9" * 30, b"0", b"true", b"../", b"/etc/passwd"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"[" * 3000, b"\xe2\x80\xae", b"\\ud800"),
)

mutations = st.lists(
    st.tuples(
        st.floats(0, 1),  # where
        st.sampled_from(("insert", "replace", "delete", "repeat", "cut")),
        st.sampled_from(TOKENS) | st.binary(max_size=12),
        st.integers(1, 60),  # bytes touched
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def damaged(content: bytes, changes: list[tuple[float, str, bytes, int]]) -> bytes:
    for place, kind, token, length in changes:
        start = int(place * len(content))
        before, touched, after = (
            content[:start],
            content[start : start + length],
            content[start + length :],
        )
        content = {
            "insert": before + token + touched + after,
            "replace": before + token + after,
            "delete": before + after,
            "repeat": before + touched * 3 + after,
            "cut": before,
        }[kind]
    return content


def test_every_format_has_a_seed() -> None:
    assert SEEDS.keys() == FORMATS.keys()


@pytest.fixture(scope="module", params=sorted(SEEDS))
def seed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A small data set that is in order."""
    folder = tmp_path_factory.mktemp(request.param)
    SEEDS[request.param](folder)
    return request.param, folder


def annotation_files(folder: Path) -> list[Path]:
    media = {".mp4", ".avi", ".jpg", ".mkv", ".webm"}
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in media)


def test_the_seed_is_in_order(seed: tuple[str, Path]) -> None:
    name, folder = seed
    dataset = open_dataset(folder, format=name)
    assert any(record.tubes or record.video_label for record in dataset.records)
    assert annotation_files(folder)


def test_damaged_annotation_is_read_or_refused_in_our_own_words(
    seed: tuple[str, Path], tmp_path: Path
) -> None:
    name, folder = seed
    files = annotation_files(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    deadline = time.monotonic() + SECONDS

    @settings(
        max_examples=NUM_EXAMPLES,
        deadline=None,
        derandomize=not SECONDS,  # else every round would try the same files
        suppress_health_check=list(HealthCheck),
    )
    @given(index=st.integers(0, len(files) - 1), changes=mutations)
    def attempt(index: int, changes: list[tuple[float, str, bytes, int]]) -> None:
        original = files[index]
        target = copy / original.relative_to(folder)
        target.write_bytes(damaged(original.read_bytes(), changes))
        started = time.monotonic()
        try:
            read_all(name, copy)
        except VadsdkError:
            pass
        finally:
            target.write_bytes(original.read_bytes())
        assert time.monotonic() - started < SLOWEST_SECONDS

    attempt()
    while time.monotonic() < deadline:
        attempt()


def read_all(name: str, folder: Path) -> None:
    dataset = open_dataset(folder, format=name)
    for record in dataset.records:
        if record.tubes:
            frames = sorted({int(f) for tube in record.tubes for f in tube.frame_indices})[:4]
            dataset.actor_masks(record, frames)
