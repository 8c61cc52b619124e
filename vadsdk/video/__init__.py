"""Sources with exact presentation times, a writer, and drawing of results."""

from vadsdk.video.address import Timeouts
from vadsdk.video.contact_sheet import contact_sheet
from vadsdk.video.decoder import OnError
from vadsdk.video.drawing import draw_result
from vadsdk.video.folders import image_files, video_files
from vadsdk.video.frame_access import FrameReader
from vadsdk.video.info import VideoInfo, probe
from vadsdk.video.live import LiveSource
from vadsdk.video.live_reader import LiveSettings
from vadsdk.video.palette import track_colour
from vadsdk.video.reading import read_frames
from vadsdk.video.source import Source
from vadsdk.video.sources import open_source
from vadsdk.video.writer import VideoWriter

__all__ = [
    "FrameReader",
    "LiveSettings",
    "LiveSource",
    "OnError",
    "Source",
    "Timeouts",
    "VideoInfo",
    "VideoWriter",
    "contact_sheet",
    "draw_result",
    "image_files",
    "open_source",
    "probe",
    "read_frames",
    "track_colour",
    "video_files",
]
