"""A spec's training read for what it does to the weights: rates, schedules, the kind of loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

LossKind = Literal["classes", "binary", "scores", "overlaps", "values"]

# Keras' defaults, but where the authors never meant its 0.001: Adagrad (Duchi et al. 2011), of
# which Ftrl is a kind; Adadelta, whose steps want no rate at all (Zeiler 2012); Adafactor, whose
# rate is a share of each weight's size (Shazeer and Stern 2018); Lion, whose steps are all of one
# size (Chen et al. 2023).
USUAL_RATES = {
    "SGD": 0.01,
    "Adagrad": 0.01,
    "Ftrl": 0.01,
    "Adadelta": 1.0,
    "Adafactor": 0.01,
    "Lion": 0.0001,
    "ScheduleFreeAdamW": 0.0025,
}
USUAL_RATE = 0.001
CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")
# What a loss takes, by its name or its class without case and underscores; values otherwise.
_KINDS: Mapping[str, LossKind] = {
    "categoricalcrossentropy": "classes",
    "sparsecategoricalcrossentropy": "classes",
    "categoricalfocalcrossentropy": "classes",
    "categoricalgeneralizedcrossentropy": "classes",
    "kldivergence": "classes",
    "binarycrossentropy": "binary",
    "binaryfocalcrossentropy": "binary",
    "hinge": "scores",
    "squaredhinge": "scores",
    "categoricalhinge": "scores",
    "dice": "overlaps",
    "tversky": "overlaps",
}
# Of a guess that knows nothing they are ln C or ln 2; others are some other number.
_PLAIN = (
    "categoricalcrossentropy",
    "sparsecategoricalcrossentropy",
    "kldivergence",
    "binarycrossentropy",
)


@dataclass(frozen=True)
class Procedure:
    """`training` is the spec's, with its defaults."""

    training: Mapping[str, Any]

    @property
    def optimizer(self) -> Mapping[str, Any]:
        """As the spec has it, with its `type`."""
        given: Mapping[str, Any] = self.training.get("optimizer") or {}
        return given

    @property
    def name(self) -> str:
        """The optimizer's."""
        return str(self.optimizer.get("type", "SGD"))

    @property
    def adaptive(self) -> bool:
        """Whether steps are divided by the size of the gradients: all but SGD."""
        return self.name != "SGD"

    @property
    def momentum(self) -> float:
        """0 for an optimizer without any, and for Muon, whose steps have a size of their own."""
        return 0.0 if self.name == "Muon" else float(self.optimizer.get("momentum") or 0.0)

    @property
    def rate(self) -> float:
        """The largest learning rate of the first steps: the initial one, or a warm-up's end."""
        given = self.optimizer.get("learning_rate", self.usual_rate)
        if not isinstance(given, Mapping):
            return float(given)
        if given.get("type") == "PiecewiseConstantDecay":
            return float(given["values"][0])
        first = float(given.get("initial_learning_rate", 0.0))
        return max(first, float(given.get("warmup_target") or 0.0))

    @property
    def step_rate(self) -> float:
        """The rate that steps of momentum add up to, lr / (1 - momentum)."""
        return self.rate / (1 - self.momentum)

    @property
    def usual_rate(self) -> float:
        """What the optimizer is commonly run with."""
        return USUAL_RATES.get(self.name, USUAL_RATE)

    @property
    def excess(self) -> float:
        """The step rate over the optimizer's usual one."""
        return self.step_rate / self.usual_rate

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate is a schedule."""
        return isinstance(self.optimizer.get("learning_rate"), Mapping)

    @property
    def steps_per_update(self) -> int:
        """Steps whose gradients are added up before the weights change once."""
        return int(self.optimizer.get("gradient_accumulation_steps") or 1)

    def rate_at(self, step: int) -> float:
        """The learning rate of the step after `step` steps (keras.optimizers.schedules)."""
        given = self.optimizer.get("learning_rate", self.usual_rate)
        return _scheduled(given, step) if isinstance(given, Mapping) else float(given)

    @property
    def clipping(self) -> tuple[str, float] | None:
        """Which gradient clipping, and its limit."""
        given = ((name, self.optimizer.get(name)) for name in CLIPPINGS)
        return next(((name, float(limit)) for name, limit in given if limit is not None), None)

    @property
    def loss(self) -> str:
        """The loss' name or type."""
        given = self.training.get("loss", "")
        return str(given.get("type", "") if isinstance(given, Mapping) else given)

    @property
    def loss_kind(self) -> LossKind:
        """What the loss compares: the probabilities of classes, or of yes and no; scores above and
        below 0; overlaps of probabilities; or values."""
        return _KINDS.get(_plain(self.loss), "values")

    @property
    def has_even_loss(self) -> bool:
        """Whether it is the logarithm of the classes for a model that knows nothing."""
        return _plain(self.loss) in _PLAIN

    @property
    def from_logits(self) -> bool:
        """Whether the loss takes logits; False where it is posted by its name."""
        given = self.training.get("loss")
        return isinstance(given, Mapping) and bool(given.get("from_logits"))

    @property
    def epochs(self) -> int:
        """Those that were asked for."""
        return int(self.training.get("epochs", 1))

    @property
    def batch_size(self) -> int:
        return int(self.training.get("batch_size", 32))

    @property
    def early_stopping(self) -> Mapping[str, Any] | None:
        return self.training.get("early_stopping")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _scheduled(schedule: Mapping[str, Any], step: int) -> float:
    kind = schedule.get("type")
    if kind == "PiecewiseConstantDecay":
        boundaries: Sequence[int] = schedule["boundaries"]
        return float(schedule["values"][sum(step > boundary for boundary in boundaries)])
    first = float(schedule.get("initial_learning_rate", 0.0))
    if kind == "CosineDecayRestarts":
        return first * _restarted(schedule, step / int(schedule["first_decay_steps"]))
    warm_up = int(schedule.get("warmup_steps") or 0)
    target = schedule.get("warmup_target")
    if kind == "CosineDecay" and target is not None and warm_up:
        if step < warm_up:
            return first + (float(target) - first) * step / warm_up
        first, step = float(target), step - warm_up
    return first * _share(schedule, first, step / int(schedule.get("decay_steps", 1)))


def _share(schedule: Mapping[str, Any], first: float, periods: float) -> float:
    """What is left of the `first` rate after `periods` times the decay steps."""
    kind = schedule.get("type")
    rate = float(schedule.get("decay_rate", 1.0))
    whole = math.floor(periods) if schedule.get("staircase") else periods
    if kind == "ExponentialDecay":
        exponent = whole * math.log(rate)
        return math.exp(max(-700.0, min(exponent, 700.0)))
    if kind == "InverseTimeDecay":
        return 1 / (1 + rate * whole)
    if kind == "PolynomialDecay":
        last = float(schedule.get("end_learning_rate", 0.0)) / first if first else 0.0
        done = _progress(periods, bool(schedule.get("cycle")))
        return last + (1 - last) * math.pow(1 - done, float(schedule.get("power", 1.0)))
    alpha = float(schedule.get("alpha", 0.0))
    return alpha + (1 - alpha) * (1 + math.cos(math.pi * min(periods, 1.0))) / 2


def _restarted(schedule: Mapping[str, Any], periods: float) -> float:
    """What is left after `periods` times the steps of the first period."""
    growth = float(schedule.get("t_mul", 2.0))
    if growth == 1:
        restarts = math.floor(periods)
        done = periods - restarts
    else:
        restarts = math.floor(math.log(1 + periods * (growth - 1)) / math.log(growth))
        begun = (growth**restarts - 1) / (growth - 1)
        done = (periods - begun) / growth**restarts
    alpha = float(schedule.get("alpha", 0.0))
    height = float(schedule.get("m_mul", 1.0)) ** restarts
    return alpha + (1 - alpha) * height * (1 + math.cos(math.pi * done)) / 2


def _progress(periods: float, cycle: bool) -> float:
    """The share of the decay that is done; a cycle stretches it to the next whole period."""
    return periods / max(1, math.ceil(periods)) if cycle else min(periods, 1.0)
