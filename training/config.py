"""The settings of the network, the data mix and the run: frozen dataclasses, JSON in and out."""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from pipelines.errors import UsageError

PRETRAINED_FACTORS = (8, 16)
_LEAST_BODY_TOKEN = 48  # its place, 21 points, and something to say of depth


@dataclass(frozen=True)
class ModelConfig:
    """The network. Sizes are pixels per side, widths are channels.

    size: of the square frames. sight: of the reference as D sees it. body_size, part_size: of the driver's crops
    (person; hand and face). layout: of the reference as R and L see it; they give half as many cells. sketch: of the
    frames as the DiT makes them.
    motion: `tokens` (encoders and D) or `skeleton` (the baseline: the driver's keypoints, drawn). heads: whether the
    heads, which read D, teach it and the encoders. hands: without, every hand has the null token.
    *_token: width of the motion tokens. face_tokens: sub-tokens that z_f becomes for cross-attention.
    patch: pixels per side of the retarget decoder's patches. guidance: channels of the motion guidance.
    heatmap_size, normal_size: of the heads' outputs. codec_factor: pixels per side of a latent cell.
    dit_*: sizes of the DiT (dit_patch: latent cells per side of a token; dit_ffn: inner width of its feed-forwards).
    pretrained: a Wan pipeline of these sizes (folder or hub id) that gives autoencoder and DiT; empty for a lossless
    codec and a DiT from scratch. lora: rank of the adapters by which a pretrained DiT learns; 0 trains all of it.
    prediction: `x` (the clean latents, at small sizes) or `velocity` (pretrained backbones).
    layout_width: of R and L. blend_width: of F, which makes the picture from copies and the sketch; 0 without a
    sketch, where the DiT makes the picture itself.
    window, history: frames that are generated at once for a long video, and how many of them repeat the end of what is
    already there. steps: of Euler's method, unless a caller asks for others. shift: how far flow times are moved
    towards noise, in training and sampling (Esser et al., 2024, eq. 23); larger pictures need more.
    """

    size: int = 256
    sight: int = 128
    body_size: int = 128
    part_size: int = 64
    layout: int = 256
    sketch: int = 64
    motion: str = "tokens"
    heads: bool = True
    hands: bool = True
    body_token: int = 96
    hand_token: int = 32
    face_token: int = 32
    face_tokens: int = 4
    encoder_width: int = 16
    patch: int = 8
    retarget_width: int = 128
    retarget_layers: int = 3
    retarget_heads: int = 4
    guidance: int = 64
    heatmap_size: int = 32
    normal_size: int = 16
    codec_factor: int = 8
    pretrained: str = ""
    lora: int = 0
    dit_patch: int = 1
    dit_width: int = 128
    dit_layers: int = 4
    dit_heads: int = 4
    dit_ffn: int = 512
    prediction: str = "x"
    layout_width: int = 32
    blend_width: int = 24
    window: int = 1
    history: int = 0
    steps: int = 1
    shift: float = 1.0

    def __post_init__(self) -> None:
        if self.prediction not in {"x", "velocity"}:
            raise ValueError(f"prediction is {self.prediction!r}; it must be x or velocity")
        if self.motion not in {"tokens", "skeleton"}:
            raise ValueError(f"motion is {self.motion!r}; it must be tokens or skeleton")
        if self.motion == "skeleton" and (self.heads or not self.hands):
            raise ValueError("a skeleton has no D for heads and no token for hands; set heads to False, hands to True")
        if bool(self.blend_width) == bool(self.pretrained):
            raise ValueError(
                "a pretrained DiT makes the picture itself, another one a sketch for F; set blend_width so"
            )
        if self.pretrained and self.sketch != self.size:
            raise ValueError(f"a pretrained DiT makes whole frames; set sketch {self.sketch} to size, {self.size}")
        if self.lora and not self.pretrained:
            raise ValueError("lora adapts a pretrained model; name one, or set lora to 0")
        if not 0 <= self.history < self.window:
            raise ValueError(f"history {self.history} must be less than window {self.window}")
        if self.pretrained and self.codec_factor not in PRETRAINED_FACTORS:
            raise ValueError(
                f"codec_factor is {self.codec_factor}; pretrained models have 8 (Wan 2.1) or 16 (Wan 2.2 5B)"
            )
        self._check_sizes()
        for name, frames in (("window", self.window), ("history", self.history)):
            self.check_frames(name, frames)

    def _check_sizes(self) -> None:
        token = self.codec_factor * self.dit_patch
        for name, value, unit in (
            ("sight", self.sight, self.patch),
            ("sketch", self.sketch, token),
            ("layout", self.layout, 4),
            ("size", self.size, 2),
        ):
            if value % unit:
                raise ValueError(f"{name} {value} is not a multiple of {unit}")
        if self.body_size not in {self.patch * 2**level for level in range(2, 9)}:
            raise ValueError(f"body_size {self.body_size} must be patch {self.patch} times 4, 8, 16 or so")
        if self.body_token < _LEAST_BODY_TOKEN:
            raise ValueError(f"body_token {self.body_token} is less than {_LEAST_BODY_TOKEN}, which the places take")
        grid = self.sight // self.patch
        if self.heatmap_size % grid:
            raise ValueError(f"heatmap_size {self.heatmap_size} is not a multiple of sight / patch, {grid}")

    @property
    def cells(self) -> int:
        """Per side of what R and L give."""
        return self.layout // 2

    @property
    def stride(self) -> int:
        """Frames per latent frame after the first, which stands alone."""
        return 4 if self.pretrained else 1

    def check_frames(self, name: str, frames: int) -> None:
        """Raises: ValueError for a number of frames that the codec cannot take."""
        if frames and (frames - 1) % self.stride:
            raise ValueError(f"{name} {frames}: the codec takes 1 + a multiple of {self.stride} frames")


_LEAST_LOOK = 64
_LEARN = ("perception", "placing", "pictures", "retargeting", "generation")


@dataclass(frozen=True)
class Phase:
    """A part of the curriculum.

    learn: `perception` (the encoders), `placing` (where D puts the points, from points without pictures: see
    `training.practice`), `pictures` (R, L and F, told the true points, with the copies alone for a sketch),
    `retargeting` (encoders and D) or `generation` (all, the DiT, too). A step of pictures or of perception costs less
    than half of one of the last, one of placing next to nothing, and all that follows needs eyes.
    frames: consecutive frames per sample; history: how many of them are given clean, before the noised ones.
    batch: samples per step over all workers. warm: steps of linear learning-rate warm-up, then cosine decay to `final`
    of `rate`.
    """

    name: str
    steps: int
    batch: int = 16
    frames: int = 1
    history: int = 0
    learn: str = "generation"
    rate: float = 1e-3
    warm: int = 10
    final: float = 0.1

    def __post_init__(self) -> None:
        if self.learn not in _LEARN:
            raise ValueError(f"phase {self.name}: learn is {self.learn!r}; it must be one of {', '.join(_LEARN)}")

    @property
    def perceive(self) -> bool:
        return self.learn not in {"placing", "pictures"}

    @property
    def place(self) -> bool:
        return self.learn == "placing"

    @property
    def retarget(self) -> bool:
        return self.learn in {"retargeting", "generation"}

    @property
    def paint(self) -> bool:
        return self.learn in {"pictures", "generation"}

    @property
    def generate(self) -> bool:
        return self.learn == "generation"


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective's terms; foreground: what share of a picture the person is in those that compare
    pictures (flow, picture), however small.

    points: of the driver, as its tokens tell them. places: of the expected places of E's heatmaps, and sight: of those
    maps, since a distance alone hardly says which way to go while a map is flat. shown: of whether points are seen, in
    either picture. placed: of where D puts the points before its features say more, and joints: after.
    appear: of whether D's points are seen in the frame.
    alike: of tokens, that the same motion of another person is nearer than another one of the same person.
    read: of the photo's parts, parts: of the frame's, offsets: of where the photo has them, visible: whether it does.
    picture: of what F makes, look: of how that looks to a network (LPIPS by AlexNet; with 0 it is not needed), edge: of
    how far F says that the person reaches.
    pure_noise: share of samples at flow time 1, high where one Euler step has to do.
    """

    flow: float = 1.0
    heatmaps: float = 0.05
    joints: float = 3.0
    appear: float = 0.2
    places: float = 2.0
    sight: float = 0.5
    shown: float = 0.2
    placed: float = 2.0
    normals: float = 0.1
    points: float = 1.0
    alike: float = 0.3
    read: float = 1.0
    parts: float = 1.0
    offsets: float = 8.0
    visible: float = 0.15
    picture: float = 4.0
    look: float = 1.0
    edge: float = 0.15
    foreground: float = 0.65
    pure_noise: float = 0.8


@dataclass(frozen=True)
class DataConfig:
    """pairs: share of samples from pairs among all (0 to 1) where both kinds exist.

    cross_identity: one identity of a pair drives another; without, each drives itself, as in a clip.
    mirror: share of the samples that are seen in a mirror, person and place alike; none where latents are kept.
    clip_stride: frames between the frames of a clip sample. augment: strength of the driving crops' augmentation, and
    of that of the pictures' colours, 0 for none. crop: share of the frame's side on which F learns in one sample.
    cache_mb: memory for prepared frames, threads: that prepare samples; both per worker.
    latents: windows and references of each sample, evenly spaced, that are drawn where the DiT is trained; a frozen
    codec encodes them once, before the first step. 0 draws all there are and encodes them in the step.
    """

    pairs: float = 0.75
    cross_identity: bool = True
    mirror: float = 0.5
    clip_stride: int = 2
    augment: float = 1.0
    crop: float = 0.625
    cache_mb: int = 1024
    threads: int = 1
    latents: int = 0

    def __post_init__(self) -> None:
        if self.threads < 1 or self.latents < 0:
            raise ValueError("threads must be at least 1 and latents at least 0")


@dataclass(frozen=True)
class EngineConfig:
    """How steps are computed and kept. Nothing here changes what is learned but by rounding.

    precision: `fp32`, or `bf16` where there is a GPU. accumulate: passes per step, each with an equal part of the
    batch. recompute: compute the activations of the DiT's blocks twice instead of keeping them. shard: spread weights,
    gradients, optimiser state and running means over the workers (FSDP2); else each has all of them (DDP).
    compile: `torch.compile` for the DiT's blocks. keep: the last checkpoints that stay, beside the best.
    """

    precision: str = "fp32"
    accumulate: int = 1
    recompute: bool = False
    shard: bool = False
    compile: bool = False
    keep: int = 2

    def __post_init__(self) -> None:
        if self.precision not in {"fp32", "bf16"}:
            raise ValueError(f"precision is {self.precision!r}; it must be fp32 or bf16")
        if self.accumulate < 1 or self.keep < 1:
            raise ValueError("accumulate and keep must be at least 1")


@dataclass(frozen=True)
class Preset:
    """Everything that decides what a run learns but its seed and data.

    groups: of pairs that it is made for; with fewer it learns them by heart.
    validation: samples of the validation split that are measured at every checkpoint.
    """

    model: ModelConfig
    phases: tuple[Phase, ...]
    loss: LossConfig = LossConfig()
    data: DataConfig = DataConfig()
    engine: EngineConfig = EngineConfig()
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.99
    save_every: int = 50
    groups: int = 0
    validation: int = 32

    def __post_init__(self) -> None:
        for phase in self.phases:
            for name, frames in (("frames", phase.frames), ("history", phase.history)):
                self.model.check_frames(f"phase {phase.name}: {name}", frames)
        if self.model.motion == "skeleton" and not all(phase.generate for phase in self.phases):
            raise ValueError("a skeleton only learns generation; set motion to tokens, or let every phase learn that")
        if self.phases[0].place or self.phases[-1].place:
            raise ValueError("the first and the last phase show what is learned; let them learn from pictures")
        if self.looks and self.model.size * self.data.crop < _LEAST_LOOK:
            raise ValueError(
                f"AlexNet takes no pictures below {_LEAST_LOOK} px, and F learns on {self.data.crop:g} of "
                f"{self.model.size} px; set loss.look to 0, or make one of the two larger"
            )
        if self.data.latents and not self.model.pretrained:
            raise ValueError("only a pretrained codec's latents are kept; name a pretrained model, or set latents to 0")

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def looks(self) -> bool:
        """Whether the network is needed that judges F's pictures as they are learned."""
        return self.loss.look > 0 and self.model.blend_width > 0

    def share(self, phase: Phase, workers: int) -> int:
        """Samples of a phase's batch that each worker takes.

        Raises: UsageError for a batch that the workers cannot share equally, in as many passes as the engine is told.
        """
        passes = self.engine.accumulate
        if phase.batch % (workers * passes):
            raise UsageError(
                f"train: batch {phase.batch} of phase {phase.name} cannot be shared by {workers} workers"
                f"{f' in {passes} passes' if passes > 1 else ''}; choose numbers that divide it"
            )
        return phase.batch // workers

    def begun(self, phase: Phase) -> int:
        """The first step at which what a phase teaches was taught."""
        before = 0
        for earlier in self.phases:
            if earlier.learn == phase.learn:
                break
            before += earlier.steps
        return before

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """The phase of a global step and the step within it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise ValueError("the run has no such step")


_Config = TypeVar("_Config", Preset, ModelConfig)


def to_json(config: Preset | ModelConfig) -> dict[str, Any]:
    return dataclasses.asdict(config)


def from_json(kind: type[_Config], values: object) -> _Config:
    """Raises: pydantic.ValidationError for values that are not such a config."""
    return TypeAdapter(kind).validate_python(values)
