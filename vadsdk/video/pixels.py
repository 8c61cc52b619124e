"""From a decoded picture to an upright RGB array, at its own size or smaller."""

from __future__ import annotations

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vadsdk.video.decoder import Picture

# Resizing while the picture is still YUV is 4 to 8 times as fast as converting it and then
# cv2.INTER_AREA (320x240 to 112x112: 0.14 ms against 0.5; 1280x720: 0.4 against 3.4) and differs by
# 0.15 grey levels on average. Without FULL_CHR_H_INT it would be by 1.7.
_AREA = int(Interpolation.AREA | Interpolation.FULL_CHR_H_INT)


class RgbConverter:
    """Converts the pictures of one video; keeps swscale's tables between them."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, picture: Picture, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Return an upright (H, W, 3) RGB array of its own.

        Args:
            picture: to convert.
            size: (height, width) to stretch the upright picture to, averaging over areas.
        """
        stored = picture.stored
        height, width = (
            picture.orientation.upright_size(*size) if size else (stored.height, stored.width)
        )
        rgb = self._reformatter.reformat(
            stored, width=width, height=height, format="rgb24", interpolation=_AREA
        )
        return picture.orientation.apply(np.asarray(rgb.to_ndarray(), np.uint8))
