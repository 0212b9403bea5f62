"""What was kept of a video, and whether landmarks can be used, on tracks whose faults are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.tracks import Track
from tests.grey_video import write_video
from tests.labelled.found import Found, FoundTrack
from tests.real.clips import face_agreement, is_usable, judge, jumps, shared_out
from tests.real.labels import Clip
from tests.unit.real.people import pose

FPS = 16.0


def track(start: float = 0.0, seconds: float = 4.0) -> Track:
    """Somebody who stands still, with a face mesh on their face."""
    count = round(seconds * FPS)
    points = np.repeat(pose()[None], count, axis=0)
    for name, (x, y) in {"nose": (50, 10), "left_eye": (54, 6), "right_eye": (46, 6)}.items():
        points[:, kp.BODY.index(name)] = x, y, 1
    mesh = points[:, kp.FACE_SLICE]
    mesh[:] = 50, 10, 1
    for side, x in (("left", 54), ("right", 46)):
        for corner, shift in (("outer", 1), ("inner", -1)):
            mesh[:, kp.FACE.index(f"{side}_eye_{corner}"), :2] = x + shift, 6
    mesh[:, kp.FACE.index("chin"), :2] = 50, 20
    times = start + np.arange(count) / FPS
    return Track(times, np.tile([0.0, 0, 100, 100], (count, 1)), points, np.ones((count, 4), np.bool_))


def followed(one: Track, *spans: tuple[float, float, str | None]) -> FoundTrack:
    rows: list[dict[str, Any]] = [{"start_s": a, "end_s": b, "reason": reason} for a, b, reason in spans]
    return FoundTrack(one, float(one.times[-1]) + 1 / FPS, tuple(rows))


def judged(clip: Clip, *tracks: FoundTrack, seconds: float = 4.0):  # type: ignore[no-untyped-def]
    return judge(clip, Found((), tracks, {}), seconds)


def clip(verdict: str, **about: Any) -> Clip:
    return Clip("a.mp4", Path("a.mp4"), verdict, **about)


def test_half_of_what_shows_somebody_must_be_kept() -> None:
    spans = ((0.0, 1.9, None), (1.9, 4.0, "blurred: 3 < 4"))
    one = judged(clip("kept"), followed(track(), *spans))
    assert one.right is False
    assert (one.kept, one.reasons) == (1.9, {"blurred": pytest.approx(2.1)})
    assert judged(clip("kept", present=0.9), followed(track(), *spans)).right is True
    assert judged(clip("any"), followed(track(), *spans)).right is None


def test_two_people_who_are_kept_at_once_count_once() -> None:
    spans = ((0.0, 1.5, None),)
    one = judged(clip("kept", people=2), followed(track(), *spans), followed(track(), *spans))
    assert (one.kept, one.right, one.people) == (1.5, False, 2)


def test_nothing_of_what_is_to_be_rejected_may_be_kept() -> None:
    assert judged(clip("rejected"), followed(track(), (0.0, 4.0, "several_people"))).right is True
    assert judged(clip("rejected"), followed(track(), (0.0, 1.0, None))).right is False
    assert judged(clip("rejected")).right is True


def test_who_is_not_found_is_missed_with_that_reason() -> None:
    one = judged(clip("kept"), followed(track(seconds=1.0), (0.0, 1.0, None)))
    assert one.right is False
    assert one.reasons == {"not_found": pytest.approx(3.0)}
    assert judged(clip("kept")).people == 0


def test_who_comes_later_is_not_there_at_once() -> None:
    one = judged(clip("any"), followed(track(seconds=2.0)), followed(track(start=2.0, seconds=2.0)))
    assert one.people == 1
    assert judged(clip("any"), followed(track()), followed(track(start=3.5, seconds=0.5))).people == 1


def test_hands_are_those_of_who_is_seen_longest() -> None:
    without = track(seconds=2.0)
    without.seen[:, 1:3] = False
    some = track(seconds=3.0)
    some.seen[:24, 1:3] = False
    assert judged(clip("kept"), followed(without), followed(some)).hands == 0.5


def test_limbs_that_jump_are_no_motion() -> None:
    steady, jumping = track(), track()
    assert jumps(steady) == 0
    assert is_usable(steady)
    wrist = kp.BODY.index("left_wrist")
    jumping.keypoints[::2, wrist, 0] -= 60
    assert jumps(jumping) == pytest.approx(1 / 11)
    assert not is_usable(jumping)
    jumping.keypoints[:, wrist, 2] = 0
    assert is_usable(jumping)


def test_a_face_beside_the_head_is_not_usable() -> None:
    beside = track()
    beside.keypoints[:16, kp.FACE_SLICE, 0] += 10
    assert face_agreement(beside) == 0.75
    assert not is_usable(beside)
    beside.keypoints[:, kp.FACE_SLICE, 2] = 0
    assert is_usable(beside)


def test_processes_share_the_videos_by_their_length(tmp_path: Path) -> None:
    lengths = {"a.mp4": 12, "b.mp4": 4, "c.mp4": 4, "d.mp4": 3}
    for name, frames in lengths.items():
        write_video(tmp_path / name, [40 * frame for frame in range(frames)])
    clips = [Clip(name, tmp_path / name, "any") for name in lengths]
    shares = [[one.name for one in share] for share in shared_out(clips, 2)]
    assert shares == [["a.mp4"], ["b.mp4", "c.mp4", "d.mp4"]]
