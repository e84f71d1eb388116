"""From a received file of any bytes to a dataset, or to the reason why it is none."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from api.datasets.reading.assembly import Assembly
from api.datasets.reading.checks import checks
from api.datasets.reading.formats import FORMATS, Media
from api.datasets.reading.holdout import SEED, Held, hold_out
from api.datasets.reading.options import Limits, Wanted
from api.datasets.reading.report import Report, Split
from api.datasets.reading.source import Source
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused
from contract.experiment.datasets import Facts

_BYTES_RANGE = (0.0, 255.0)


@dataclass(frozen=True)
class Read:
    """`file` is the npz that `contract.experiment.datasets.Upload` describes."""

    facts: Facts
    report: Report
    file: Path


def read(source: Path, media: Media, wanted: Wanted, limits: Limits, folder: Path) -> Read:
    """Check the file `source`, and write dataset.npz of it into `folder`.

    The bytes may be hostile. Memory grows by less than 50 MB, the disk by three times
    `limits.max_dataset_bytes` at most; of that, only dataset.npz is left.

    Raises DatasetRefused, and then leaves nothing.
    """
    file = folder / "dataset.npz"
    try:
        with Workspace(folder) as workspace, np.errstate(all="ignore"):
            found = FORMATS[media].reader()(source, wanted, limits, workspace)
            held = _held(found, wanted, workspace)
            assembly = Assembly(found, held, workspace)
            assembly.check(limits)
            assembly.write(file)
            value_range = _value_range(assembly)
            report = _report(assembly, media, wanted, _split(found, wanted), value_range)
            return Read(_facts(assembly, media, value_range), report, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _held(source: Source, wanted: Wanted, workspace: Workspace) -> Held:
    train = source.train
    if train is not None:
        return lambda start, stop: np.arange(start, stop) >= train
    if not 0 < wanted.test_fraction < 1:
        raise DatasetRefused(
            "expected a share between 0 and 1 to be held out for testing; received "
            f"{wanted.test_fraction:g}"
        )
    return hold_out(source.labels, source.inputs.examples, wanted.test_fraction, workspace)


def _value_range(assembly: Assembly) -> tuple[float, float]:
    """Raises DatasetRefused where there is nothing to be learned from the inputs or the classes."""
    found = assembly.train.spread.range
    if found is None or found[0] == found[1]:
        raise DatasetRefused(
            "the inputs for training are "
            + ("all NaN or infinite" if found is None else f"all {found[0]:g}")
            + ": there is nothing to learn from"
        )
    if assembly.labels.classes is not None and np.count_nonzero(assembly.train.tally.counts) < 2:
        raise DatasetRefused("the training part has a single class; expected at least 2")
    return found


def _split(source: Source, wanted: Wanted) -> Split:
    if source.train is not None:
        return Split(
            by="sender", fraction=None, seed=None, stratified=False,
            detail="as the arrays were named",
        )  # fmt: skip
    stratified = source.labels.stratified
    return Split(
        by="service",
        fraction=wanted.test_fraction,
        seed=SEED,
        stratified=stratified,
        detail=f"{wanted.test_fraction:.0%} {'of each class ' if stratified else ''}were held out "
        "for testing, drawn with a fixed seed; both parts keep the order in which they were sent",
    )


def _report(
    assembly: Assembly,
    media: Media,
    wanted: Wanted,
    split: Split,
    value_range: tuple[float, float],
) -> Report:
    inputs, labels = assembly.inputs, assembly.labels
    guessed = wanted.task is None
    return Report(
        media=media,
        task=labels.task,
        guessed=guessed,
        one_hot=labels.one_hot,
        dtype=inputs.received,
        stored_dtype=inputs.kind,
        shape=list(inputs.shape),
        value_range=value_range,
        class_names=None if labels.classes is None else list(labels.classes),
        target_names=None if labels.columns is None else list(labels.columns),
        split=split,
        train=assembly.train.tally.part(),
        test=assembly.test.tally.part(),
        checks=checks(assembly, guessed=guessed),
    )


def _facts(assembly: Assembly, media: Media, value_range: tuple[float, float]) -> Facts:
    inputs, labels = assembly.inputs, assembly.labels
    return Facts(
        task=labels.task,
        shape=inputs.shape,
        classes=None if labels.classes is None else len(labels.classes),
        train_examples=assembly.train_examples,
        test_examples=assembly.test_examples,
        value_range=_BYTES_RANGE if inputs.kind == "uint8" else value_range,
        bytes_per_value=inputs.dtype.itemsize,
        source="upload",
        description=f"{inputs.examples:,} uploaded examples, {media}, {labels.task}",
        targets=labels.targets,
        finite=assembly.finite,
        class_names=None if labels.classes is None else tuple(labels.classes),
        weighted=assembly.weights is not None,
        whole_range=assembly.whole_range,
        label_shape=labels.shape,
        target_range=assembly.train.tally.spread.range if labels.task == "regression" else None,
    )
