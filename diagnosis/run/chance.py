"""What a model reaches that has learned nothing, and whether another one reached more."""

import math
from collections.abc import Sequence
from typing import Literal

Task = Literal["classification", "multi_label", "regression"]

# Guesses do better than chance by more than this in one run of 44.
_STANDARD_DEVIATIONS = 2.0


def chance_level(classes: int | Sequence[int]) -> float:
    """The accuracy that needs no learning, from the number of classes or their test examples.

    From a number alone it is that of guessing, 1 / classes; from the examples of each class that
    of always naming the commonest, which is never less. Raises ValueError where there is no class.
    """
    if isinstance(classes, int):
        most, total = 1, classes
    else:
        most, total = max(classes, default=0), sum(n for n in classes if n > 0)
    if total < 1:
        raise ValueError(f"expected at least one class with examples, received {classes!r}")
    return most / total


def label_chance_level(label_counts: Sequence[int], test_examples: int) -> float:
    """The accuracy, over all labels, of always saying each label's commoner value.

    `label_counts` are the test examples that have each label. Raises ValueError where there is no
    label or no example.
    """
    if not label_counts or test_examples < 1:
        raise ValueError(
            f"expected at least one label and one example, received {label_counts!r} "
            f"and {test_examples}"
        )
    shares = [min(max(count / test_examples, 0.0), 1.0) for count in label_counts]
    return sum(max(share, 1 - share) for share in shares) / len(shares)


def chance_of(
    task: Task, classes: int | None, class_counts: Sequence[int], test_examples: int
) -> float | None:
    """The level that is known of a run; None for regression, and where there is too little data."""
    if task == "multi_label":
        known = len(class_counts) > 0 and test_examples > 0
        return label_chance_level(class_counts, test_examples) if known else None
    if task == "regression":
        return None
    if any(n > 0 for n in class_counts):
        return chance_level(class_counts)
    return chance_level(classes) if classes is not None and classes > 0 else None


def is_at_chance(task: Task, value: float | None, chance: float | None, answers: int) -> bool:
    """Whether a test result is within the noise of one that needed no learning.

    `answers` are those that `value`, an accuracy, is the mean of: one an example, or one a label.
    """
    if value is None:
        return False
    if task == "regression":
        return value <= 0  # R2 of always answering the mean
    if chance is None or answers < 1:
        return False
    noise = math.sqrt(chance * (1 - chance) / answers)
    # Of very few examples guesses get all right; a run that did is given the benefit of the doubt.
    return value <= min(chance + _STANDARD_DEVIATIONS * noise, (1 + chance) / 2)
