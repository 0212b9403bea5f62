"""What a sample was made from, with licence and consent: videos of the corpus and motion files of the user."""

import pyarrow as pa

from pipelines.manifest import Row

ORIGIN = pa.struct([("kind", pa.string()), ("id", pa.string()), ("licence", pa.string()), ("consent", pa.string())])
VIDEO, MOTION = "video", "motion"


def of_video(video: Row) -> Row:
    """video: a row of `videos`."""
    return {"kind": VIDEO, "id": video["id"], "licence": video["licence"], "consent": video["consent"]}


def of_clip(clip: Row) -> Row:
    """clip: a row of `clips`, or of another stage that tells the same about its video."""
    return {"kind": VIDEO, "id": clip["video_id"], "licence": clip["licence"], "consent": clip["consent"]}


def of_motion(motion: Row) -> Row:
    """motion: a row of `motions`: fitted to a clip, or read from a file of the user."""
    if motion["video_id"]:
        return of_clip(motion)
    return {"kind": MOTION, "id": motion["id"], "licence": motion["licence"], "consent": motion["consent"]}
