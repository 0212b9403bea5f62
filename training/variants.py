"""The baseline and the ablations: a preset with one thing taken away, as docs/ablations.md says."""

from collections.abc import Callable
from dataclasses import replace

from training.config import Preset


def _skeleton(preset: Preset) -> Preset:
    """Without encoders and D the first phases have nothing to teach, so they generate, too; at the generating phase's
    rate where that is lower, since a pretrained generator would forget at theirs. The short steps of `placing` go."""
    rate = next(phase.rate for phase in preset.phases if phase.generate)
    phases = tuple(
        phase if phase.generate else replace(phase, learn="generation", rate=min(phase.rate, rate))
        for phase in preset.phases
        if not phase.place
    )
    return replace(preset, model=replace(preset.model, motion="skeleton", heads=False), phases=phases)


def _no_pairs(preset: Preset) -> Preset:
    return replace(preset, data=replace(preset.data, cross_identity=False))


def _no_augment(preset: Preset) -> Preset:
    return replace(preset, data=replace(preset.data, augment=0.0))


def _no_heads(preset: Preset) -> Preset:
    return replace(preset, model=replace(preset.model, heads=False))


def _no_hands(preset: Preset) -> Preset:
    return replace(preset, model=replace(preset.model, hands=False))


VARIANTS: dict[str, Callable[[Preset], Preset]] = {
    "skeleton": _skeleton,
    "no-pairs": _no_pairs,
    "no-augment": _no_augment,
    "no-heads": _no_heads,
    "no-hands": _no_hands,
}


def variant_of(preset: Preset, name: str) -> Preset:
    """The preset changed as the name says; itself for an empty one. Raises: ValueError for a name of none."""
    if name and name not in VARIANTS:
        raise ValueError(f"variant {name!r} does not exist; choose among {', '.join(VARIANTS)}, or leave it out")
    return VARIANTS[name](preset) if name else preset
