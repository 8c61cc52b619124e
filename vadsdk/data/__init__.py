"""Data sets: one file a format; checking, splitting, decoding and sampling what to learn from."""
