"""Inputs too large, too small or too uneven for the learning rate."""

import math
from collections.abc import Iterator, Sequence

from diagnosis import changes
from diagnosis.causes import scale_checks
from diagnosis.causes.dead import died
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import Node
from diagnosis.run.readings import DEAD
from diagnosis.run.setup import Setup
from diagnosis.words import number, sentence

CODE = "input_scale"

# lr * lambda_max / 2 that decides, and how much less it must be where inputs are standardised.
_DECISIVE, _FALL, _STABLE = 10.0, 10.0, 2.0
# The same where a run on scaled inputs is slow, and the rate that is not gone beyond then.
_SLOW, _MOST_RATE = 0.1, 1.0
# A documented range beyond this is no scale to train on.
_RAW_PEAK = 20.0


def cause(case: Case) -> Cause | None:
    """Blames inputs whose scale makes the first steps too large or too small, by the curvature
    where it was measured, else by the inputs' size."""
    score = _score(case)
    if score is None:
        return None
    readings = case.readings
    return Cause(
        code=CODE,
        title=_title(case),
        score=score,
        evidence=[*_evidence(case)],
        numbers={
            "sharpness": readings.sharpness,
            "scaled_sharpness": readings.scaled_sharpness,
            "input_rms": readings.input_rms,
            "input_peak": readings.input_peak,
            "column_spread": scale_checks.spread(case),
            "dead": readings.dead(readings.end),
        },
        repairs=_repairs(case),
        rivals=_rivals(case),
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Inputs that are documented to reach 20 or more, with plain SGD."""
    peak = setup.raw_peak
    if peak is None or peak < _RAW_PEAK or setup.procedure.adaptive:
        return
    rate = number(setup.procedure.rate)
    detail = f"Inputs reach {number(peak)}, which is much for SGD at {rate}."
    yield Finding(CODE, "warning", "/dataset/scaling", detail, [_scaling(setup)])


def _score(case: Case) -> float | None:
    sharp = case.readings.sharpness
    if sharp is not None and to_blame(case, sharp):
        if sharp >= _DECISIVE and _harmed(case):
            return 0.95
        if sharp >= 1 and _harmed(case):
            return 0.92
        if sharp >= _DECISIVE:
            return 0.9
    if scale_checks.large(case) or scale_checks.uneven(case):
        return 0.9 if _loud(case) or not case.procedure.adaptive else 0.86
    if scale_checks.small(case):
        return 0.92 if (case.readings.input_rms or 0.0) < scale_checks.SMALL / 4 else 0.87
    if case.signals.data is None and (case.raw_peak or 0.0) >= _RAW_PEAK:
        return 0.6 if case.procedure.adaptive else 0.8
    return None


def to_blame(case: Case, sharp: float) -> bool:
    """Whether the loss surface is that steep because of the inputs.

    Standardised rows tell, unless the model rescales what it is given.
    """
    if _rescaled(case):
        return scale_checks.large(case)
    scaled = case.readings.scaled_sharpness
    return scaled is not None and scaled <= min(sharp / _FALL, _STABLE)


def _rescaled(case: Case) -> Sequence[Node]:
    """Rescaling layers before the first kernel."""
    return [node for node in case.network.before if node.layer["type"] == "Rescaling"]


def _harmed(case: Case) -> bool:
    jump, dead = case.readings.jump, case.readings.dead(case.readings.end)
    return case.broken or (jump or 0.0) > 3 or (dead or 0.0) >= DEAD


def _loud(case: Case) -> bool:
    """Whether the untrained model's loss was far above that of an even guess."""
    start, usual = case.readings.start, case.even_loss
    return start is not None and usual is not None and not start.loss < 3 * usual


def _title(case: Case) -> str:
    if scale_checks.small(case):
        return "The inputs are too small for the learning rate"
    if scale_checks.uneven(case) and not scale_checks.large(case):
        return "The inputs' columns have very different scales"
    return "The inputs are too large for the learning rate"


def _evidence(case: Case) -> Iterator[str]:
    readings = case.readings
    death = died(case)
    steep = readings.sharpness is not None and readings.sharpness >= 1
    if steep:
        reach = (
            f", because inputs reach {number(readings.input_peak)}" if readings.input_peak else ""
        )
        update = (
            f"the first update was {number(readings.sharpness)} times too large for this loss "
            f"surface ({readings.measure}){reach}"
        )
        yield sentence(f"{death}: {update}" if death else update)
        if readings.scaled_sharpness is not None:
            yield f"With standardised inputs it is {number(readings.scaled_sharpness)}."
    if readings.input_rms is not None:
        yield f"The inputs' root mean square is {number(readings.input_rms)}, and about 1 is usual."
    elif case.raw_peak is not None:
        yield f"Inputs reach {number(case.raw_peak)}."
    if scale_checks.uneven(case):
        spread = number(scale_checks.spread(case))
        yield f"The widest column varies {spread} times as much as the median one."
    if _loud(case) and readings.start is not None:
        yield (
            f"The untrained loss was {number(readings.start.loss)}; an even guess has "
            f"{number(case.even_loss)}."
        )
    if death and not steep:
        yield sentence(death)


def _scaling(setup: Setup) -> Change:
    low, high = setup.facts.get("value_range") or (0.0, 0.0)
    picture = len(setup.facts.get("shape") or ()) > 1 and low == 0 and high > 1
    return changes.scaling("unit" if picture else "standard")


def _repairs(case: Case) -> Sequence[Change]:
    data, found = case.signals.data, list[Change]()
    given = math.sqrt(max(data.input_mean_square, 0.0)) if data is not None else 0.0
    if _rescaled(case) and scale_checks.SMALL <= given <= scale_checks.LARGE:
        words = "without the Rescaling layer"
        found.append(changes.without(case.network, _rescaled(case), "no_rescaling", words))
    first, standard = _scaling(case), changes.scaling("standard")
    picture = first != standard
    found += [first, standard] if picture else [first]
    if scale_checks.odd_targets(case) is not None:
        found.append(changes.both(standard, changes.target_scaling()))
    faster = _faster(case) if case.squashed or not picture else None
    if faster is not None:
        found.append(changes.both(standard, faster))
    rate = _stable_rate(case)
    return found if rate is None else [*found, changes.learning_rate(rate), changes.adam()]


def _faster(case: Case) -> Change | None:
    """The rate that suits scaled inputs, where the present one is less than a tenth of it.

    It may have been lowered for the inputs' sake, or suit sigmoids that were saturated.
    """
    scaled = case.readings.scaled_sharpness
    if not scaled or scaled >= _SLOW:
        return None
    return changes.learning_rate(min(case.procedure.rate / (2 * scaled), _MOST_RATE))


def _stable_rate(case: Case) -> float | None:
    """1 / lambda_max where that is known to be too steep; else what equals scaled inputs.

    To divide the inputs by their size is to divide the first layer's steps by its square. Where
    outputs are saturated the surface is flat, and lambda_max says nothing.
    """
    sharp, rms = case.readings.sharpness, case.readings.input_rms
    if sharp is not None and sharp >= 1:
        return case.readings.stable_rate
    if case.procedure.adaptive or not rms:
        return None
    return case.procedure.rate / rms / rms


def _rivals(case: Case) -> Sequence[Change]:
    rivals = [changes.smaller_initializer(case.network.blocks)]
    if case.rectified:
        rivals.insert(0, changes.activation(case.rectified, "leaky_relu"))
    return rivals
