"""What every launch of a Triton kernel says."""

from __future__ import annotations

LAUNCH = {"enable_fp_fusion": True}
"""A product and a sum in one instruction, whatever Triton's default: routing and views are limited
by instructions."""
