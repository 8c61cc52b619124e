"""Frames -> windows -> model -> linking -> results, frame by frame, and files of results."""

from vadsdk.streaming.detect import detect_stream, detect_video, pts_gap_seconds
from vadsdk.streaming.detector import StreamingDetector
from vadsdk.streaming.jsonl import FramesWriter, TubesWriter
from vadsdk.streaming.kinds import file_batch_size

__all__ = [
    "FramesWriter",
    "StreamingDetector",
    "TubesWriter",
    "detect_stream",
    "detect_video",
    "file_batch_size",
    "pts_gap_seconds",
]
