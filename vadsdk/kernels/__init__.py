"""Tensor operations that networks, losses and methods share: torch references, one file each."""
