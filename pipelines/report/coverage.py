"""What people do in the clips, how often, and what there is hardly any of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.curation.coverage.traits import TRAITS
from pipelines.manifest import Manifest
from pipelines.report.charts import Bars, amounts, duration

_RARE = 0.02
_NO_GAP = frozenset({"unseen"})  # what is not seen is no motion that could be lacking


@dataclass(frozen=True)
class Coverage:
    """charts: seconds of each kind of each trait. lacking: "trait: kinds" of which there is hardly any, in words.
    most: (kind of motion, its seconds in words, share of all) of the most frequent ones."""

    charts: tuple[Bars, ...]
    lacking: tuple[str, ...]
    most: tuple[tuple[str, str, float], ...]


def coverage(inputs: Mapping[str, Manifest]) -> Coverage:
    """Over the clips that are used, weighted by their seconds."""
    rows = inputs["coverage"].rows()
    total = sum(row["seconds"] for row in rows)
    if not total:
        return Coverage((), (), ())
    charts, lacking = [], []
    for trait, kinds in TRAITS.items():
        seconds = np.array([row["seconds"] * np.array(row[trait]) for row in rows]).sum(0)
        title = trait.replace("_", " ")
        charts.append(amounts(title, dict(zip(kinds, seconds.tolist(), strict=True))))
        rare = [k for k, s in zip(kinds, seconds, strict=True) if s < _RARE * total and k not in _NO_GAP]
        if rare:
            lacking.append(f"{title}: {', '.join(rare)}")
    cells: dict[str, float] = {}
    for row in rows:
        cells[row["cell"]] = cells.get(row["cell"], 0.0) + row["seconds"]
    ordered = sorted(cells.items(), key=lambda item: (-item[1], item[0]))[:8]
    most = tuple((cell, duration(seconds), seconds / total) for cell, seconds in ordered)
    return Coverage(tuple(charts), tuple(lacking), most)
