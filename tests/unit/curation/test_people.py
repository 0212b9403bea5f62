"""Where nobody is."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.curation.landmarks import LandmarkConfig
from pipelines.curation.people import PeopleConfig, Shot, _empty_rows, _is_sparse, _networks
from pipelines.curation.tracker import Track
from pipelines.manifest import Status


def test_empty_stretches_become_rejected_rows() -> None:
    shot = Shot("v", 2, start_s=10.0, end_s=16.0)
    times = [10 + i / 10 for i in range(60)]
    track = Track([20, 21, 30], [], [])
    rows = _empty_rows(shot, times, [track], min_empty_s=1.0)
    assert [(row["start_s"], round(row["end_s"], 1), row["frames"]) for row in rows] == [
        (10.0, 12.0, 20),
        (13.1, 16.0, 29),
    ]
    assert {(row["status"], row["reason"], row["parent_id"], row["shot"]) for row in rows} == {
        (Status.REJECTED, "no_person", "v", 2)
    }
    assert len(_empty_rows(shot, times[:3], [], min_empty_s=1.0)) == 1
    assert _empty_rows(replace(shot, end_s=12.4), times[18:24], [Track([2], [], [])], min_empty_s=1.0) == []
    (row,) = _empty_rows(replace(shot, end_s=10.01), [], [], min_empty_s=1.0)
    assert (row["start_s"], row["end_s"], row["frames"]) == (10.0, 10.01, 0)


def test_a_network_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "rtmw.onnx"
    config = PeopleConfig(landmarks=LandmarkConfig(backend="rtmw", weights=str(file)))
    found = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        found.append(_networks(config))
    assert found[0] == found[2] != found[1]
    assert _networks(PeopleConfig(landmarks=LandmarkConfig(backend="vitpose", weights="a/hub-id"))) == ["", "a/hub-id"]


def test_who_is_seen_rarely_is_no_track() -> None:
    box, nobody = np.zeros(4, np.float32), np.zeros((543, 3), np.float32)
    for seen, is_sparse in ((range(0, 30, 4), True), (range(0, 30, 2), False)):
        track = Track()
        for index in seen:
            track.add(index, box, nobody, 1.0)
        assert _is_sparse(track) is is_sparse
