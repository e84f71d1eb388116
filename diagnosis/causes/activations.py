"""Hidden layers that add nothing: linear ones, and activations that do not belong there."""

from collections.abc import Iterator, Sequence

from diagnosis import changes, splicing
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import Block
from diagnosis.run.setup import Setup
from diagnosis.words import listed, number, percent

CODE = "linear_model"

# How far a curved baseline must beat a linear one in accuracy or R2, and the share of that which a
# run that is as good as linear may have. Where there is none: how near in R2 it is to a poor one.
_CURVED, _SHARE = 0.07, 0.5
_POOR, _NEAR = 0.6, 0.1
_MAXIMA = [f"{kind}MaxPooling{rank}D" for kind in ("", "Global", "Adaptive") for rank in (1, 2, 3)]
_UNSUITABLE = ("softmax", "exponential")


def cause(case: Case) -> Cause | None:
    """Blames a model without a useful hidden activation that does no better than a linear one,
    where a curved baseline does; and softmax or exponential in a hidden layer."""
    strange = _strange(case.network.hidden)
    if strange:
        return _unsuitable(case, strange)
    if not _linear(case) or not _as_good_as_linear(case):
        return None
    linear = case.standing.linear
    return Cause(
        code=CODE,
        title="The model is linear, and the task is not",
        score=0.93 if case.standing.bent is not None else 0.8,
        evidence=[*_evidence(case)],
        numbers={
            "linear_baseline": linear,
            "neighbours": case.standing.neighbours,
            "curved_baseline": case.standing.curved,
        },
        repairs=[_curved(case)],
        rivals=[changes.epochs(4 * case.procedure.epochs)],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Softmax or exponential in hidden layers, and hidden layers that are all linear."""
    hidden = setup.network.hidden
    for block in _strange(hidden):
        pointer = f"{block.activated_at.pointer}/activation"
        detail = f"{block.activation} does not belong in a hidden layer."
        yield Finding(CODE, "warning", pointer, detail, [_other([block])])
    if hidden and _linear(setup):
        pointer = f"{hidden[0].node.pointer}/activation"
        detail = "Without an activation the hidden layers amount to a single linear one."
        yield Finding(CODE, "warning", pointer, detail, [_curved(setup)])


def _strange(hidden: Sequence[Block]) -> Sequence[Block]:
    return [block for block in hidden if block.activation in _UNSUITABLE]


def _unsuitable(case: Case, strange: Sequence[Block]) -> Cause:
    names = listed(sorted({block.activation for block in strange}))
    shared = "Softmax shares 1 among all units of the layer, so that little passes each."
    return Cause(
        code=CODE,
        title=f"{names} does not belong in a hidden layer",
        score=0.92,
        evidence=[shared if "softmax" in names else f"{names} explodes or vanishes."],
        numbers={"layers": float(len(strange))},
        repairs=[_other(strange)],
        rivals=[changes.epochs(4 * case.procedure.epochs)],
    )


def _linear(setup: Setup) -> bool:
    network = setup.network
    bent = any(node.layer.get("bends") for node in network.nodes)
    return all(b.activation == "linear" for b in network.hidden) and not (
        bent or network.of_type(*_MAXIMA, "Clip")
    )


def _as_good_as_linear(case: Case) -> bool:
    place = case.standing
    if place.value is None or place.linear is None:
        return False
    if place.bent is None:
        return case.regression and place.linear < _POOR and place.value < place.linear + _NEAR
    bend = place.bent - max(place.linear, place.chance or 0.0)
    return bend > _CURVED and place.value < place.bent - _SHARE * bend


def _evidence(case: Case) -> Iterator[str]:
    place = case.standing
    if place.bent is None:
        yield f"It is no better than a linear model, whose R2 is {number(place.linear)}."
    elif case.regression:
        yield (
            f"A linear model reaches R2 {number(place.linear)}, a plain curved one "
            f"{number(place.curved)}."
        )
    else:
        yield (
            f"A linear model reaches {percent(place.linear)}, naming the nearest example's class "
            f"{percent(place.neighbours)}."
        )
    hidden = len(case.network.hidden)
    yield (
        f"{hidden} hidden layer(s) without an activation amount to a single linear one."
        if hidden
        else "The model has no hidden layer."
    )


def _other(blocks: Sequence[Block]) -> Change:
    """ReLU; where all are recurrent, which need bounds, tanh."""
    if not all(block.is_recurrent for block in blocks):
        return changes.activation(blocks, "relu")
    patch = [operation for block in blocks for operation in block.activated_by("tanh")]
    return Change("activation_tanh", "tanh in the recurrent layers", patch)


def _curved(setup: Setup) -> Change:
    if setup.network.hidden:
        return _other(setup.network.hidden)
    layer = {"type": "Dense", "units": 64, "activation": "relu"}
    head = setup.network.head
    at = head.node if head is not None else setup.network.nodes[0]
    patch = splicing.insert_before(at, layer)
    return Change("hidden_layer", "a hidden layer of 64 ReLU units", patch)
