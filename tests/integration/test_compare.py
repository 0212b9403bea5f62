"""What a model makes is judged at the truth's size, and what its tokens share is counted over parts that are seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.evaluation.baselines import COPY, TRUTH
from pipelines.evaluation.figures import FIGURES, TOKEN_FIGURES
from pipelines.evaluation.seen.judges import Judges
from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training.compare import compare, pixels, token_shares
from training.model.encoders import MotionTokens
from training.records import Record, Records


def people(workspace: Workspace) -> list[Record]:
    write_toy_shards(workspace, pairs=0, clips=0, test_pairs=1, validation_pairs=0)
    (ref,) = ShardIndex.load(workspace, "test").samples
    records = Records(Reader(workspace), TINY.model, 2**28)
    return [records.get(ref, place, range(6)) for place in range(3)]


def test_pictures_of_any_size_are_judged_at_the_truths(judging: Workspace) -> None:
    target = people(judging)[0]
    truth = pixels(target.frames[:-1])
    outputs = {"doubled": truth.repeat(2, 1).repeat(2, 2), "tiny": truth[:, ::4, ::4], "same": truth}
    found = compare(outputs, target, Judges.open(judging))
    assert found.keys() == {*outputs, COPY, TRUTH}
    assert found["same"] == found[TRUTH]
    # The mean over the four equal pixels is what was there.
    assert found["doubled"] == found[TRUTH]
    assert found["tiny"]["psnr"] < found[TRUTH]["psnr"]
    # At 32 pixels nobody is found in a drawing: no figure that needs somebody, and no error.
    assert found["same"].keys() == {figure.key for figure in FIGURES}
    assert found["same"]["face_px"] is None


def tokens_of(values: np.ndarray) -> MotionTokens:
    """values: (T, D), for each kind of token."""
    token = torch.from_numpy(values.astype(np.float32))[None]
    return MotionTokens(token, token, token, token)


def test_tokens_of_who_is_near_oneself_and_of_poses_are_told_apart(tmp_path: Path) -> None:
    three = people(Workspace(str(tmp_path)))
    names = np.eye(3)
    own = [tokens_of(np.tile(names[i], (6, 1)) + 0.01 * np.arange(6)[:, None]) for i in range(3)]
    found = token_shares(own, three)
    assert tuple(found) == TOKEN_FIGURES
    assert (found["body_token_person"], found["body_token_pose"]) == (1, 0)
    poses = np.eye(6)
    moved = [tokens_of(poses + 0.01 * i) for i in range(3)]
    found = token_shares(moved, three)
    assert (found["body_token_person"], found["body_token_pose"]) == (0, 1)
    assert found["body_token_person_chance"] == pytest.approx(4 / 14)


def test_tokens_of_hidden_parts_are_left_out(tmp_path: Path) -> None:
    three = people(Workspace(str(tmp_path)))
    hidden = [
        replace(
            one,
            driver=replace(
                one.driver,
                hand_visible=torch.stack([one.driver.hand_visible[:, 0] & False, one.driver.hand_visible[:, 1]], 1),
            ),
        )
        for one in three
    ]
    found = token_shares([tokens_of(np.eye(6)) for _ in range(3)], hidden)
    assert found["left_hand_token_person"] is None
    assert found["left_hand_token_pose_chance"] is None
    assert found["right_hand_token_pose"] == 1
