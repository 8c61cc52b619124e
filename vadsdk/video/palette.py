"""A colour for each tube: the same wherever it is drawn, and told apart by colour-blind people."""

from __future__ import annotations

from vadsdk.structures.detections import NO_TRACK

Colour = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
_UNTRACKED: Colour = (220, 220, 220)

# Okabe and Ito 2008, "Color Universal Design", without black; neighbours differ most.
_OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (213, 94, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (0, 114, 178),
)
# After one round the colours come again, lighter, then darker: mixed with white or black.
_ROUNDS: tuple[tuple[Colour, float], ...] = ((BLACK, 0.0), (WHITE, 0.5), (BLACK, 0.4))


def track_colour(track_id: int) -> Colour:
    """Return the colour of a tube; 21 differ, and a detection without a tube is grey."""
    if track_id == NO_TRACK:
        return _UNTRACKED
    base = _OKABE_ITO[track_id % len(_OKABE_ITO)]
    towards, share = _ROUNDS[track_id // len(_OKABE_ITO) % len(_ROUNDS)]
    red, green, blue = (
        round((1 - share) * channel + share * end)
        for channel, end in zip(base, towards, strict=True)
    )
    return red, green, blue


def text_colour(background: Colour) -> Colour:
    """Return black or white, whichever stands out more (luma of ITU-R BT.601)."""
    red, green, blue = background
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else WHITE
