"""A tiny data set and a tiny run that tests of the training room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vadsdk.data.toy import generate_toy_dataset


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "toy"
    generate_toy_dataset(folder, num_clips=32, seed=3, num_workers=1)
    return folder
