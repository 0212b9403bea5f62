"""Stage `identities`: which clips show the same person, in whatever videos, and which videos therefore stay together.

A person of a video is a track. Faces tell people apart; where none is seen, the same clothes at the same place do.
Embeddings of faces are biometric data: they lie in this stage's folder alone, and go with their video.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation.decode import deadline_s, video_path
from pipelines.curation.identities.body import place_difference
from pipelines.curation.identities.embed import Person, look
from pipelines.curation.identities.face import FaceNetwork
from pipelines.curation.identities.gathered import Gathered, gathered
from pipelines.curation.identities.group import MATCH, doubts_of, groups_of, joined_in_doubt, people_of
from pipelines.curation.identities.search import Pairs, People, alike_clothes, alike_faces
from pipelines.curation.ledger import Ledger
from pipelines.curation.per_video import kept_columns, lost_clips
from pipelines.curation.tracks import load_track
from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(
    video_id=pa.string(),
    identity=pa.string(),
    group=pa.string(),
    in_doubt=pa.bool_(),
    embeddings_path=pa.string(),
)
_VERSION = 2
_LEDGER, _GATHERED = "ledger.npz", "people.npz"
_OPEN_FILES = 256  # of embeddings, kept in memory while bodies are compared
_PART = 256  # colours of the torso, then as many of the thighs
_CELLS = 48  # of 256, that two pictures of a place must share


@dataclass(frozen=True)
class IdentitiesConfig:
    """face: greatest distance of two embeddings of one person's face. maybe: up to which the videos of two faces stay
    together in doubt. clothes: least cosine of the colours of a body part. place: greatest mean difference of two
    pictures of one place, in levels of Lab (0 to 255). How the first two were chosen: docs/identities.md."""

    face: float = 0.28
    maybe: float = 0.44
    clothes: float = 0.9
    place: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.face <= self.maybe:
            raise ValueError("face must be a distance from 0 to `maybe`: a sure likeness is also a doubtful one")


def run(context: Context) -> Iterator[Row]:
    agreed, carried = context.agree("duplicates", ("clips", "id"), ("people", "parent_id"), ("videos", "video_id"))
    yield from carried
    videos = {video["id"]: video for video in _videos(context, set(agreed["id"].to_pylist()))}
    make_worker = functools.partial(_make_worker, context.workspace, context.folder)
    payloads = [(name, video["url"], video) for name, video in videos.items()]
    rows: list[Row] = []
    for row in context.map(make_worker, payloads, deadline_s, uses_config=False):
        if row["status"] == Status.QUARANTINED:
            tracks = videos[row["parent_id"]]["tracks"]
            yield from lost_clips(row, (clip for track in tracks for clip in track["clips"]))
        else:
            rows.append(row)
    yield from _grouped(context, rows)


def _videos(context: Context, used: set[str]) -> list[Row]:
    """A payload for each video with clips that are used: where it is, its tracks, and the clips of each."""
    columns = ("id", "parent_id", "video_id", "start_s", "end_s")
    clips = [clip for clip in kept_columns(context.inputs["clips"], *columns).to_pylist() if clip["id"] in used]
    by_track: dict[str, list[Row]] = defaultdict(list)
    for clip in clips:
        by_track[clip["parent_id"]].append({name: clip[name] for name in ("id", "start_s", "end_s")})
    paths = dict(zip(*kept_columns(context.inputs["people"], "id", "path").to_pydict().values(), strict=True))
    tracks: dict[str, list[Row]] = defaultdict(list)
    for video, track in sorted({(clip["video_id"], clip["parent_id"]) for clip in clips}):
        tracks[video].append({"id": track, "path": paths[track], "clips": by_track[track]})
    about = kept_columns(context.inputs["videos"], "id", "url", "path", "width", "height", "duration").to_pylist()
    return [{**video, "tracks": tracks[video["id"]]} for video in about if video["id"] in tracks]


def _make_worker(workspace: Workspace, folder: str) -> Worker:
    network = FaceNetwork(workspace)

    def embed(video: Row) -> list[Row]:
        tracks = [load_track(workspace.local(row["path"]), video["width"], video["height"]) for row in video["tracks"]]
        spans = [[(clip["start_s"], clip["end_s"]) for clip in row["clips"]] for row in video["tracks"]]
        people = look(video_path(workspace, video), tracks, spans, network)
        # A track with other clips is looked at anew, and has to be compared anew.
        names = [digest_of("person", _VERSION, row) for row in video["tracks"]]
        path = f"{folder}/files/{digest_of('embeddings', _VERSION, video)}.npz"
        with workspace.publish(path) as file:
            fields = {part: np.stack([getattr(person, part) for person in people]) for part in asdict(people[0])}
            np.savez(file, allow_pickle=False, names=np.array(names, "S32"), **fields)
        about = {"status": Status.KEPT, "video_id": video["id"], "embeddings_path": path}
        return [
            {"id": clip["id"], "parent_id": clip["id"], "identity": name, **about}
            for name, row in zip(names, video["tracks"], strict=True)
            for clip in row["clips"]
        ]

    return embed


def _grouped(context: Context, rows: list[Row]) -> Iterator[Row]:
    """rows: of all clips, `identity` being the name of its track's person."""
    paths = {row["identity"]: row["embeddings_path"] for row in rows}
    names = sorted(paths)
    place = {name: index for index, name in enumerate(names)}
    matches, faced = _matches(context, names, [paths[name] for name in names])
    sure = matches[~matches["by_face"] | (matches["gap"] <= context.config.face)]
    person = people_of(len(names), sure, faced)
    doubts = doubts_of(person, people_of(len(names), matches, faced), matches)
    judged = context.inputs["duplicates"].table
    copies = list(zip(judged["video_id"].to_pylist(), judged["copy_of_video"].to_pylist(), strict=True))
    copies = sorted({copy for copy in copies if None not in copy})
    videos = sorted({row["video_id"] for row in rows}.union(*copies))
    number = {video: index for index, video in enumerate(videos)}
    of_track = np.zeros(len(names), np.int64)
    for row in rows:
        of_track[place[row["identity"]]] = number[row["video_id"]]
    shown = np.stack([of_track, person], axis=1)
    tied = groups_of(len(videos), shown, _pairs([(number[one], number[other]) for one, other in copies]))
    group = joined_in_doubt(tied, of_track[doubts])
    parts: dict[int, set[int]] = defaultdict(set)
    for whole, part in zip(group.tolist(), tied.tolist(), strict=True):
        parts[whole].add(part)
    in_doubt = [len(parts[whole]) > 1 for whole in group.tolist()]
    largest = max(Counter(group.tolist()).values(), default=0)
    context.progress.say(
        f"{len(set(person.tolist()))} people in {len(videos)} videos, {sum(in_doubt)} of them kept with others in "
        f"doubt; the largest group has {largest} videos"
    )
    for row in rows:
        video = number[row["video_id"]]
        about = {"group": videos[group[video]], "in_doubt": in_doubt[video]}
        yield {**row, "identity": names[person[place[row["identity"]]]], **about}


def _pairs(pairs: Sequence[tuple[int, int]]) -> Pairs:
    return np.array(pairs, np.int64).reshape(-1, 2)


def _matches(context: Context, names: list[str], paths: list[str]) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """All matches among these people, and who has a face; only pairs with somebody who is new are compared."""
    config: IdentitiesConfig = context.config
    where, key = f"{context.folder}/{_LEDGER}", digest_of(_VERSION, config.maybe, config.clothes, config.place)
    ledger, fresh = Ledger.load(context.workspace, where, key, MATCH).moved_to(names)

    @functools.lru_cache(maxsize=_OPEN_FILES)
    def people_in(path: str) -> dict[str, Person]:
        return _load(context.workspace, path)

    def person(index: int) -> Person:
        return people_in(paths[index])[names[index]]

    def look_up(new: NDArray[np.int64]) -> Gathered:
        faces, torsos = np.empty((len(new), 128), np.float32), np.empty((len(new), _PART), np.float32)
        for k in sorted(range(len(new)), key=lambda k: paths[new[k]]):  # each file once
            faces[k], torsos[k] = person(new[k]).face, person(new[k]).colours[:_PART]
        return faces, torsos

    people = People(*gathered(context.workspace, f"{context.folder}/{_GATHERED}", names, look_up), fresh)
    found = [ledger.matches]
    for pairs, apart in alike_faces(people, config.maybe):
        found.append(_entries(pairs, True, apart))
    for pairs in alike_clothes(people, config.clothes):
        ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        gaps = [_body_gap(person(one), person(other), config) for one, other in ordered]
        close = np.isfinite(gaps)
        found.append(_entries(ordered[close], False, np.array(gaps)[close]))
    matches = np.sort(np.concatenate(found), order=["one", "other"])
    Ledger(ledger.ids, matches).save(context.workspace, where, key)
    return matches, people.faced


def _entries(pairs: Pairs, by_face: bool, gaps: NDArray[np.float64]) -> NDArray[np.void]:
    entries = np.empty(len(pairs), MATCH)
    entries["one"], entries["other"], entries["by_face"], entries["gap"] = *pairs.T, by_face, gaps
    return entries


def _body_gap(one: Person, other: Person, config: IdentitiesConfig) -> float:
    """What the torsos lack to a cosine of 1; infinite unless all parts that both show, and the places, are alike."""
    torso, thighs = (
        (float(a.astype(np.float64) @ b), bool(a.any() and b.any()))
        for a, b in zip(one.colours.reshape(2, -1), other.colours.reshape(2, -1), strict=True)
    )
    dressed_alike = torso[0] >= config.clothes and (thighs[0] >= config.clothes or not thighs[1])
    if dressed_alike and place_difference(one.place[None], other.place[None], _CELLS)[0] <= config.place:
        return 1.0 - torso[0]
    return float("inf")


def _load(workspace: Workspace, path: str) -> dict[str, Person]:
    with np.load(workspace.local(path), allow_pickle=False) as arrays:
        fields = zip(*(arrays[part] for part in Person.__dataclass_fields__), strict=True)
        return {name.decode(): Person(*values) for name, values in zip(arrays["names"], fields, strict=True)}


STAGE = Stage(
    name="identities",
    config=IdentitiesConfig,
    schema=SCHEMA,
    run=run,
    needs=("videos", "people", "clips", "duplicates"),
    version=_VERSION,
    covers="duplicates",
)
