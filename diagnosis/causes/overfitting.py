"""The model learns its training part by heart."""

from collections.abc import Iterator, Sequence

from diagnosis import changes, splicing
from diagnosis.report import Cause, Change
from diagnosis.run.case import Case
from diagnosis.run.series import Series, finite
from diagnosis.words import number, percent

CODE = "overfitting"

# What the training part must be fitted by, and how far the test part must lag behind.
_FITTED, _GAP = 0.8, 0.15
# A gap that is a failure whatever the baselines reach.
WIDE = 0.2
# The validation loss at the end over its least.
_RISE = 1.15


def cause(case: Case) -> Cause | None:
    """Blames overfitting where the training part is fitted and the test part lags 0.15 or more
    behind, after few examples or while the validation loss rose."""
    gap = gap_of(case)
    if gap is None or gap < _GAP or (case.fits or 0.0) < _FITTED:
        return None
    rise = _rise(case.curve.get("val_loss", ()))
    few = _few(case)
    if not few and (rise is None or rise < _RISE):
        return None
    return Cause(
        code=CODE,
        title="The model overfits",
        score=0.95 if gap >= WIDE or few else 0.85,
        evidence=[*_evidence(case, rise)],
        numbers={"gap": gap, "rise": rise},
        repairs=_repairs(case, few),
    )


def gap_of(case: Case) -> float | None:
    """How far the final weights do worse on the test part than on the training part."""
    if case.train_value is None or case.standing.value is None:
        return None
    return case.train_value - case.standing.value


def _few(case: Case) -> bool:
    """Whether a limit left a small part of the training examples."""
    return case.train_examples < 0.25 * int(case.facts["train_examples"])


def _rise(losses: Series) -> float | None:
    known = [loss for loss in losses if loss is not None and finite(loss) is not None]
    return known[-1] / min(known) if known and min(known) > 0 else None


def _evidence(case: Case, rise: float | None) -> Iterator[str]:
    show = number if case.regression else percent
    on_train, on_test = show(case.train_value), show(case.standing.value)
    yield f"It reaches {on_train} on its training part and {on_test} on test."
    if rise is not None and rise >= _RISE:
        yield f"The validation loss ended at {number(rise)} times its least."
    yield f"It was trained on {case.train_examples:,} examples."


def _repairs(case: Case, few: bool) -> Sequence[Change]:
    found: list[Change] = []
    if few and case.spec["dataset"].get("limit"):
        all_of_them = [changes.put("/dataset/limit", None)]
        found.append(Change("more_examples", "all training examples", all_of_them))
    stop = {"monitor": "val_loss", "patience": 3, "restore_best_weights": True}
    if case.spec["training"]["validation"].get("on") != "none":
        stopping = [changes.put("/training/early_stopping", stop)]
        found.append(Change("early_stopping", "early stopping", stopping))
    hidden = [b for b in case.network.hidden if b.layer["type"] == "Dense"]
    penalty = {"type": "L2", "l2": 0.001}
    decay = [changes.put(f"{b.node.pointer}/kernel_regularizer", penalty) for b in hidden]
    if hidden:
        half = {"type": "Dropout", "rate": 0.5}
        dropout = splicing.insert_after(case.network, [b.activated_at for b in hidden], half)
        found.append(Change("dropout", "dropout of a half", dropout))
        found.append(Change("weight_decay", "a penalty on the weights", decay))
    return found
