"""Raw output -> detections, a file a kind: the one copy for training, evaluation and every engine.

Each takes one frame; the numbers it goes by travel with the model file.
"""

from vadsdk.decoding.boxes import decode_boxes
from vadsdk.decoding.masks import decode_frame, resize_map
from vadsdk.decoding.whole_frames import decode_whole_frame

__all__ = ["decode_boxes", "decode_frame", "decode_whole_frame", "resize_map"]
