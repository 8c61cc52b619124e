"""`python -m vadsdk`, as `torchrun -m vadsdk train ...` starts it."""

from __future__ import annotations

from vadsdk.cli.app import main

main()
