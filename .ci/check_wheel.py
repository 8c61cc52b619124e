"""Looks into a wheel: one name at its top, all code of the source tree, nothing else.

Usage: check_wheel.py WHEEL SOURCE
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

FOLDERS = {"vadsdk": "vadsdk", "export": "vadsdk/export", "serving": "vadsdk/serving"}


def main(wheel: Path, source: Path) -> None:
    """Exit with a message if the wheel holds too much or too little."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    top = {name.split("/")[0] for name in names}
    (metadata,) = [name for name in top if name.endswith(".dist-info")]
    if top != {"vadsdk", metadata}:
        sys.exit(f"{wheel.name} puts more than vadsdk into site-packages: {sorted(top)}")
    expected = {
        f"{installed}/{path.relative_to(source / folder).as_posix()}"
        for folder, installed in FOLDERS.items()
        for path in (source / folder).rglob("*")
        if path.is_file()
    }
    held = {name for name in names if name.startswith("vadsdk/")}
    if held != expected:
        missing, strange = sorted(expected - held), sorted(held - expected)
        sys.exit(f"{wheel.name} lacks {missing} and holds {strange}")
    if f"{metadata}/licenses/LICENSE" not in names:
        sys.exit(f"{wheel.name} holds no licence")
    print(f"{wheel.name}: {len(held)} files of vadsdk, nothing else")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
