"""Where a video comes from, and how to name it without its secrets."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from vadsdk.errors import VideoError

NETWORK_SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp")
# A stream may lead FFmpeg to other streams, never to files of this machine.
_NETWORK_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data,rtp,srtp,udp,rtmp,rtmps,srt"
_HOST_AND_PATH = re.compile(r"([^/?#]*)([^?#]*)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]+)(:\d+)?")
_CAMERA_FORMATS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """How long to wait for a stream, in seconds."""

    open_seconds: float = 10.0
    """For the connection and the first pictures."""
    read_seconds: float = 10.0
    """For the next packet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """What FFmpeg opens."""

    name: str
    """For people: the path, the camera or the URL without user, password and query."""
    location: str = field(repr=False)
    """For FFmpeg; may hold credentials, so it must not reach a message or a log."""
    format: str | None = None
    """FFmpeg's input format where it cannot be guessed."""
    options: tuple[tuple[str, str], ...] = ()
    """FFmpeg's options."""
    path: Path | None = None
    """The local file, if it is one."""
    timeouts: Timeouts | None = None
    """None: wait for ever, as is right for a disk."""


def is_url(source: str) -> bool:
    """Tell whether a source is a network address that FFmpeg can be given."""
    return "://" in source and source.split("://", 1)[0].lower() in NETWORK_SCHEMES


def is_camera(source: str) -> bool:
    """Tell whether a source is a camera: its number, unless a file is called so, or its device."""
    is_number = source.isdecimal() and not Path(source).exists()
    return is_number or bool(re.fullmatch(r"/dev/video\d+", source))


def file_address(path: Path) -> Address:
    """Return the address of a local file.

    Raises:
        VideoError: there is no such file, it is a folder, or it is empty.
    """
    if not path.exists():
        raise VideoError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise VideoError(f"{path} is a folder, expected a video file; give one of the files in it")
    if path.is_file() and not path.stat().st_size:
        raise VideoError(f"{path} is empty (0 bytes), expected a video; record or copy it again")
    # `file:` keeps a colon in the name from being read as a protocol, and the list of protocols
    # keeps a playlist in disguise from opening anything else.
    options = (("protocol_whitelist", "file"),)
    return Address(name=str(path), location=f"file:{path}", options=options, path=path)


def network_address(url: str, timeouts: Timeouts) -> Address:
    """Return the address of a stream or a remote file; RTSP goes over TCP, which loses nothing."""
    options = [("protocol_whitelist", _NETWORK_PROTOCOLS)]
    if url.lower().startswith("rtsp"):
        options = [("rtsp_transport", "tcp")]
    return Address(
        name=without_credentials(url), location=url, options=tuple(options), timeouts=timeouts
    )


def camera_address(source: str, timeouts: Timeouts) -> Address:
    """Return the address of a local camera.

    Raises:
        VideoError: this platform's cameras have no number.
    """
    number = source.removeprefix("/dev/video")
    if sys.platform not in _CAMERA_FORMATS:
        raise VideoError(
            f"camera {number}: cameras are opened by number on Linux and macOS only; capture it "
            "with a program of your own and pass its images as an iterable, or use its RTSP address"
        )
    format_name, location = _CAMERA_FORMATS[sys.platform]
    return Address(
        name=f"camera {number}",
        location=location.format(number),
        format=format_name,
        timeouts=timeouts,
    )


def without_credentials(url: str) -> str:
    """Return a URL without user, password, query and fragment, any of which may hold a secret.

    Where a host cannot be told from a badly quoted password, the URL becomes `scheme://***`.
    """
    scheme, rest = url.split("://", 1)
    authority, path = _HOST_AND_PATH.match(rest).groups()  # type: ignore[union-attr]
    host = authority.rpartition("@")[2]
    shown = f"{host}{path}" if _HOST.fullmatch(host) and "@" not in path else "***"
    return f"{scheme.lower()}://{shown}"
