"""Whatever the user names becomes rows; what cannot be used is named."""

import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import manifest as manifests
from pipelines.curation.listing import list_sources, read_access, write_batch
from pipelines.errors import UsageError
from pipelines.manifest import Status
from pipelines.workspace import Workspace


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "inner").mkdir(parents=True)
    for name in ("b.mp4", "a.MKV", "inner/ü c.mov", "notes.txt"):
        (folder / name).write_bytes(b"x")
    return folder


def urls(rows: list[dict[str, str]]) -> list[str]:
    return [Path(row["url"]).name for row in rows]


def test_folder_is_searched_for_videos(videos: Path) -> None:
    assert urls(list_sources([str(videos)], None, None)) == ["a.MKV", "b.mp4", "ü c.mov"]


def test_glob_file_and_url(videos: Path) -> None:
    rows = list_sources([f"{videos}/**/*.mov", str(videos / "b.mp4"), "s3://bucket/x.mp4"], "CC0-1.0", "me")
    assert urls(rows) == ["ü c.mov", "b.mp4", "x.mp4"]
    assert {(row["licence"], row["source"]) for row in rows} == {("CC0-1.0", "me")}


def test_every_kind_of_video_in_a_folder_is_taken(tmp_path: Path) -> None:
    names = ["00001.MTS", "a.3gp", "b.wmv", "c.flv", "d.gif", "e.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert urls(list_sources([str(tmp_path)], None, None)) == names


def test_what_a_folder_has_beside_videos_is_counted_in_one_sentence(tmp_path: Path, videos: Path) -> None:
    for number in range(1200):
        (videos / f"{number}.jpg").touch()
    (videos / "README").touch()
    (videos / "inner" / "round").symlink_to(videos)
    (videos / "lost.mp4").symlink_to(tmp_path / "gone.mp4")
    said: list[str] = []
    rows = list_sources([str(videos)], None, None, say=said.append)
    assert urls(rows) == ["a.MKV", "b.mp4", "ü c.mov", "gone.mp4"]
    assert len(said) == 1
    assert said[0].startswith(f"{videos}: skipped 1,200 .jpg, 1 .txt, 1 link to a folder, 1 without a suffix; ")


def test_of_many_kinds_the_most_frequent_are_named(videos: Path) -> None:
    for number in range(300):
        (videos / f"a.{number}").touch()
    said: list[str] = []
    list_sources([str(videos)], None, None, say=said.append)
    assert "293 more kinds" in said[0]
    assert len(said[0]) < 400


def test_folders_that_a_pattern_matches_are_counted(videos: Path) -> None:
    said: list[str] = []
    assert urls(list_sources([f"{videos}/*"], None, None, say=said.append)) == ["a.MKV", "b.mp4", "notes.txt"]
    assert "skipped 1 folder;" in said[0]


@pytest.mark.parametrize(
    "name", ["a b", "ü", "it's", 'a"b', "#d", "e%20f", "100%", "-x", "q?x", "cam1:front", "[x]", "~a", "x" * 200]
)
def test_a_video_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.mp4").write_bytes(b"x")
    (tmp_path / "list.csv").write_text('url\n"{}"\n'.format(f"{name}/{name}.mp4".replace('"', '""')))
    monkeypatch.chdir(folder)
    expected = [str(folder / f"{name}.mp4")]
    for argument in (f"{name}.mp4", str(folder), expected[0], str(tmp_path / "list.csv")):
        assert [row["url"] for row in list_sources([argument], None, None)] == expected


def test_a_tilde_in_a_manifest_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "list.csv").write_text("url\n~/v.mp4\n")
    assert [row["url"] for row in list_sources([str(tmp_path / "list.csv")], None, None)] == [f"{tmp_path}/home/v.mp4"]


def test_a_name_that_is_not_utf8_is_quarantined_beside_the_others(workspace: Workspace, videos: Path) -> None:
    Path(os.fsdecode(os.fsencode(videos) + b"/vid\xe9o.mp4")).write_bytes(b"x")
    rows = list_sources([str(videos)], None, None)
    write_batch(workspace, rows, "b")
    found = manifests.read(workspace, "sources/b")
    assert (found.counts.kept, found.counts.quarantined) == (3, 1)
    (lost,) = found.rows(Status.QUARANTINED)
    assert lost["url"] == f"{videos}/vid\\xe9o.mp4"
    assert lost["reason"] == f"{lost['url']}: its name is not UTF-8; rename it and run the same command again"


def test_same_file_twice_is_one_row(videos: Path) -> None:
    assert len(list_sources([str(videos / "b.mp4"), f"{videos}/../videos/b.mp4", str(videos)], None, None)) == 3


def test_missing_path_is_listed_so_that_it_can_be_quarantined(tmp_path: Path) -> None:
    assert urls(list_sources([str(tmp_path / "gone.mp4")], None, None)) == ["gone.mp4"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest_brings_its_own_licence(videos: Path, suffix: str) -> None:
    path = videos / f"list{suffix}"
    rows = [{"url": "b.mp4", "licence": "CC-BY-4.0"}, {"url": "https://example.org/v.mp4", "licence": ""}]
    if suffix == ".csv":
        path.write_text("url,licence\n" + "".join(f"{row['url']},{row['licence']}\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    found = list_sources([str(path)], "unknown", None)
    assert [(row["url"], row["licence"]) for row in found] == [
        (str(videos / "b.mp4"), "CC-BY-4.0"),
        ("https://example.org/v.mp4", "unknown"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("l.csv", b"path\nb.mp4\n", "row 1 has no url"),
        ("l.parquet", b"nonsense", "cannot be read as a manifest"),
        ("l.csv", b"url\n\xff\xfe\xff\n", "cannot be read as a manifest"),
    ],
)
def test_unusable_manifest(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=what):
        list_sources([str(tmp_path / name)], None, None)


def test_folder_without_videos(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no video"):
        list_sources([str(tmp_path)], None, None)


def test_batch_is_called_after_its_content(workspace: Workspace, videos: Path) -> None:
    rows = list_sources([str(videos)], None, None)
    name = write_batch(workspace, rows)
    assert name == write_batch(workspace, reversed(rows))
    assert manifests.batches_of(workspace, "sources") == [name]
    assert write_batch(workspace, rows[:1]) != name


@pytest.mark.parametrize("name", ["../x", "starter", "a b", "."])
def test_unusable_batch_names(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match="--batch"):
        write_batch(workspace, [], name)


def test_bucket_folder_and_pattern() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("a/x.mp4", "b/x.mp4", "b/y.MOV", "b/notes.txt"):
        memory.pipe(f"/listing/{name}", b"x")
    assert urls(list_sources(["memory://listing"], None, None)) == ["x.mp4", "x.mp4", "y.MOV"]
    assert urls(list_sources(["memory://listing/*/x.mp4"], "CC0-1.0", None)) == ["x.mp4", "x.mp4"]
    assert urls(list_sources(["memory://listing/gone.mp4"], None, None)) == ["gone.mp4"]
    with pytest.raises(UsageError, match="memory://nothing: holds no video"):
        list_sources(["memory://nothing"], None, None)
    with pytest.raises(UsageError, match="a manifest elsewhere; copy it here"):
        list_sources(["memory://listing/list.csv"], None, None)
    memory.rm("/listing", recursive=True)


def test_bucket_without_its_package() -> None:
    with pytest.raises(UsageError, match=r"s3://bucket/folder: .* needs the package s3fs; pip install s3fs"):
        list_sources(["s3://bucket/folder"], None, None)


def test_credentials_are_kept_for_their_user_alone(workspace: Workspace, tmp_path: Path) -> None:
    signed = "https://me:hunter2@host/v.mp4?X-Amz-Signature=hunter3"
    (tmp_path / "list.csv").write_text(f"url\n{signed}\nhttps://host/open.mp4\n")
    rows = list_sources([str(tmp_path / "list.csv")], None, None)
    assert [row["url"] for row in rows] == ["https://host/v.mp4", "https://host/open.mp4"]
    batch = write_batch(workspace, rows)
    assert read_access(workspace, batch) == {rows[0]["id"]: signed}
    holders = [path for path in workspace.local_root.rglob("*") if path.is_file() and b"hunter" in path.read_bytes()]
    assert [(path.name, oct(path.stat().st_mode & 0o777)) for path in holders] == [(".access.json", "0o600")]


def test_renewed_links_are_the_same_batch(workspace: Workspace) -> None:
    old, new = ([f"https://host/v.mp4?token={token}"] for token in ("hunter2", "hunter3"))
    batch = write_batch(workspace, list_sources(old, None, None))
    assert write_batch(workspace, list_sources(new, None, None)) == batch
    assert list(read_access(workspace, batch).values()) == new
