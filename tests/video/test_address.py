from __future__ import annotations

import pytest

from vadsdk.video.address import (
    Timeouts,
    camera_address,
    is_camera,
    is_url,
    network_address,
    without_credentials,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://camera.local:8554/live", "rtsp://camera.local:8554/live"),
        ("rtsp://admin:secret@10.0.0.5/ch/1?token=secret", "rtsp://10.0.0.5/ch/1"),
        ("RTSP://admin:se@cret@10.0.0.5/ch", "rtsp://10.0.0.5/ch"),
        ("http://[::1]:80/a.mp4#secret", "http://[::1]:80/a.mp4"),
        ("http://host/a?user=me@home&key=secret", "http://host/a"),
        # A password that should have been quoted: no telling where it ends.
        ("rtsp://admin:se/secret@10.0.0.5/ch", "rtsp://***"),
        ("rtsp://admin:se?secret@10.0.0.5/ch", "rtsp://***"),
        ("rtsp://admin:5/secret@10.0.0.5/ch", "rtsp://***"),
    ],
)
def test_credentials_never_show(url, shown):
    address = network_address(url, Timeouts())
    assert without_credentials(url) == address.name == shown
    assert "secret" not in repr(address)
    assert address.location == url


def test_kinds_of_sources_are_told_apart(tmp_path, monkeypatch):
    assert is_url("rtsp://x")
    assert is_url("HTTPS://x/a.mp4")
    assert not is_url("c:/videos/a.mp4")
    assert not is_url("file:///etc/passwd")
    assert is_camera("0")
    assert is_camera("/dev/video2")
    assert not is_camera("a.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert not is_camera("0")


def test_cameras_are_opened_as_the_platform_names_them(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    address = camera_address("3", Timeouts())
    assert (address.name, address.location, address.format) == ("camera 3", "/dev/video3", "v4l2")
    monkeypatch.setattr("sys.platform", "darwin")
    assert camera_address("3", Timeouts()).location == "3"
