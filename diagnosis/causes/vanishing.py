"""Gradients that vanish on their way to the first layers."""

from collections.abc import Iterator

from diagnosis import changes
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.setup import Setup
from diagnosis.words import number

CODE = "vanishing_gradients"

# First over last kernel's gradient norm before any step; what squashing layers make of it that let
# a third through each, where ReLU and He's weights let all.
_VANISHED, _FADED = 1e-3, 1e-2
_SHALLOWEST, _DEEP = 3, 5


def cause(case: Case) -> Cause | None:
    """Blames gradients that shrank to less than a thousandth over three hidden layers or more,
    before any step; to a hundredth where three of these squash."""
    ratio, hidden = case.readings.gradient_ratio, case.network.hidden
    # A gradient of exactly 0 did not fade: dead units stopped it.
    limit = _FADED if len(case.squashed) >= _SHALLOWEST else _VANISHED
    if len(hidden) < _SHALLOWEST or ratio is None or not 0 < ratio < limit:
        return None
    return Cause(
        code=CODE,
        title="The gradients vanish on their way through the layers",
        score=0.82 if ratio >= _VANISHED else 0.955 if len(hidden) >= _DEEP else 0.91,
        evidence=[
            f"The first layer's gradient was {number(ratio)} of that {len(hidden)} layers on."
        ],
        numbers={"gradient_ratio": ratio},
        repairs=_repairs(case),
        rivals=[changes.learning_rate(10 * case.procedure.rate)],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Five sigmoid layers or more without a normalization."""
    squashed = [block for block in setup.squashed if not block.normalized]
    sigmoid = [block for block in squashed if block.activation in ("sigmoid", "hard_sigmoid")]
    if len(sigmoid) >= _DEEP:
        detail = f"Gradients shrink to a quarter or less in each of {len(sigmoid)} sigmoid layers."
        yield Finding(CODE, "warning", sigmoid[0].node.pointer, detail, _repairs(setup))


def _repairs(setup: Setup) -> list[Change]:
    hidden = setup.network.hidden
    relu = changes.activation(hidden, "relu")
    patch = [*relu.patch, *changes.initializer(hidden, "he_normal").patch]
    return [
        Change("relu_he", "ReLU with He's initial weights", patch),
        changes.batch_normalization(
            setup.network, [block for block in hidden if not block.normalized]
        ),
    ]
