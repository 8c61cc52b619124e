"""A data set that several tests read; one that writes makes its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_data import make_dataset


@pytest.fixture(scope="session")
def native_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("native"))
