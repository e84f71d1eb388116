"""What is looked at in a dataset, and what it means where it is found."""

from collections.abc import Iterator

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.assembly import Assembly
from api.datasets.reading.inputs import EXACT
from api.datasets.reading.options import listed
from api.datasets.reading.report import Check, Code, Level

# The commonest class against the rarest, in the training part.
_IMBALANCE = 10
# Fewer training examples of a class than this are hardly learned from, or are a quantity's values.
_RARE = 5
# Whole targets that differ by less than this may be class numbers.
_CLASS_LIKE = 20


def checks(assembly: Assembly, *, guessed: bool) -> list[Check]:
    """Those that apply to the dataset's task, whether they found something or not.

    `guessed` says that the sender did not name the task.
    """
    found = [_constant_columns(assembly), _duplicate_rows(assembly), _inputs_finite(assembly)]
    if assembly.inputs.kind != "uint8":
        found.append(_rounded(assembly))
    if assembly.labels.task == "regression":
        found += [_targets_finite(assembly), _constant_targets(assembly)]
        return [*found, _class_like_targets(assembly)] if guessed else found
    return [*found, _labels_out_of_range(assembly), _imbalance(assembly)]


def _check(code: Code, level: Level, detail: str) -> Check:
    return Check(code=code, level=level, detail=detail)


def _constant_columns(assembly: Assembly) -> Check:
    inputs = assembly.inputs
    constant = assembly.train.spread.constant
    level: Level = "warning" if len(constant) and len(inputs.shape) == 1 else "ok"
    detail = f"{len(constant):,} of {inputs.values:,} inputs never change in the training part"
    if len(constant) and inputs.columns is not None:
        detail += ": " + listed([inputs.columns[place] for place in constant])
    return _check("constant_columns", level, detail)


def _duplicate_rows(assembly: Assembly) -> Check:
    repeated, examples = assembly.repeated, assembly.test_examples
    level: Level = "error" if 2 * repeated > examples else "warning" if repeated else "ok"
    detail = (
        f"{repeated:,} of {examples:,} test examples have inputs that the training part has too"
    )
    return _check(
        "duplicate_rows", level, detail + ("; on them memory counts as skill" if repeated else "")
    )


def _inputs_finite(assembly: Assembly) -> Check:
    train, test = assembly.train.spread.not_finite, assembly.test.spread.not_finite
    detail = f"{train:,} inputs for training and {test:,} for testing are empty, NaN or infinite"
    if not train + test:
        return _check("non_finite_inputs", "ok", detail)
    return _check(
        "non_finite_inputs", "error", detail + "; the loss becomes NaN: fill or drop them"
    )


def _targets_finite(assembly: Assembly) -> Check:
    train, test = (part.tally.spread.not_finite for part in (assembly.train, assembly.test))
    detail = f"{train:,} targets for training and {test:,} for testing are NaN or infinite"
    if not train + test:
        return _check("non_finite_targets", "ok", detail)
    return _check("non_finite_targets", "error", detail + "; the loss becomes NaN: drop them")


def _rounded(assembly: Assembly) -> Check:
    """Only of what came as integers: a float was rounded before it came."""
    received = assembly.inputs.received
    low, high = assembly.train.spread.range or (0, 0)
    largest = max(-low, high)
    if not received.startswith(("int", "uint")) or largest <= EXACT:
        return _check("rounded_values", "ok", "no integer was rounded to become float32")
    if assembly.inputs.kind == "int32":
        rounded = "are looked up as they are by an Embedding, and rounded for every other layer"
    else:
        rounded = "were rounded"
    return _check(
        "rounded_values",
        "warning",
        f"integers up to {largest:,.0f} {rounded}: float32 has all of them only to {EXACT:,}; "
        "subtract what they have in common, if they only name the row leave them out",
    )


def _constant_targets(assembly: Assembly) -> Check:
    constant = assembly.train.tally.spread.constant
    detail = f"{len(constant)} of {assembly.labels.kinds} targets never change in the training part"
    return _check("constant_targets", "error" if len(constant) else "ok", detail)


def _class_like_targets(assembly: Assembly) -> Check:
    """Many programs write class numbers as floats."""
    tally = assembly.train.tally
    low, high = tally.spread.range or (0, 0)
    if assembly.labels.kinds > 1 or not tally.whole or high - low >= _CLASS_LIKE:
        return _check("class_like_targets", "ok", "the target does not look like class numbers")
    return _check(
        "class_like_targets",
        "warning",
        f"the target is a whole number from {low:g} to {high:g} everywhere: if these are classes, "
        "say task=classification",
    )


def _labels_out_of_range(assembly: Assembly) -> Check:
    unknown = (assembly.train.tally.counts == 0) & (assembly.test.tally.counts > 0)
    names = _names(assembly, unknown)
    detail = f"{len(names):,} labels are in the test part alone"
    if not names:
        return _check("labels_out_of_range", "ok", detail)
    return _check(
        "labels_out_of_range", "warning", f"{detail}, never to be learned: {listed(names)}"
    )


def _imbalance(assembly: Assembly) -> Check:
    counts = assembly.train.tally.counts
    rarest, commonest = int(counts.min()), int(counts.max())
    what = "class" if assembly.labels.classes is not None else "label"
    per_place = what == "class" and assembly.labels.shape != ()
    total = int(counts.sum()) if per_place else assembly.train_examples
    detail = (
        f"the rarest {what} has {rarest:,} {'places' if per_place else 'examples'} for training, "
        f"the commonest {commonest:,} of {total:,}"
    )
    rare = _names(assembly, counts < _RARE)
    if rare:
        detail += f"; fewer than {_RARE} have {listed(rare)}"
        detail += (
            " (if this is a quantity, say task=regression)" if 2 * len(rare) > len(counts) else ""
        )
    level: Level = "warning" if rare or commonest > _IMBALANCE * rarest else "ok"
    return _check("class_imbalance", level, detail)


def _names(assembly: Assembly, which: Array) -> list[str]:
    names = assembly.labels.classes or assembly.labels.columns
    places: Iterator[int] = iter(np.flatnonzero(which).tolist())
    return [str(place) if names is None else names[place] for place in places]
