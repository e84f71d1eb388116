"""Rows of datasets into response models."""

from contextlib import suppress
from typing import Any

from api import dataset_views
from api.uploads import Report
from contract.datasets import CATALOGUE, Facts, facts_of
from contract.errors import Unreadable
from contract.settings import Settings
from contract.stored import read
from contract.tables import Dataset


def dataset(row: Dataset) -> dataset_views.KnownDataset:
    """An upload; `catalogued` is for the others."""
    report = _report(row)
    return _dataset(
        row.id,
        facts_of(row.id, upload(row)),
        **row.model_dump(include={"name", "bytes", "sha256", "created_at"}),
        kind="upload",
        class_names=report and report.class_names,
        class_counts=report and _class_counts(report),
        report=report,
    )


def _report(row: Dataset) -> Report | None:
    """None of another version's that cannot be read."""
    with suppress(Unreadable):
        return read(Report, row.report)
    return None


def upload(row: Dataset) -> dict[str, Any]:
    """What each job on it keeps: see `contract.tables.Job`."""
    return row.model_dump(include={"facts", "key", "sha256"})


def catalogued(name: str, settings: Settings) -> dataset_views.KnownDataset:
    facts = CATALOGUE[name]
    present = (settings.data_dir / f"{name}.npz").is_file() if facts.source == "file" else None
    return _dataset(name, facts, name=name, kind="catalogue", file_present=present)


def _dataset(id_: str, facts: Facts, **more: Any) -> dataset_views.KnownDataset:
    dtype = {1: "uint8", 4: "float32"}[facts.bytes_per_value]
    urls = {"self": f"/v1/datasets/{id_}", "jobs": f"/v1/jobs?dataset={id_}"}
    own = {"id": id_, "dtype": dtype, "urls": urls}
    return dataset_views.KnownDataset.model_validate({**vars(facts), **own, **more})


def _class_counts(report: Report) -> dataset_views.ClassCounts | None:
    train, test = (part.class_counts or part.label_counts for part in (report.train, report.test))
    return dataset_views.ClassCounts(train=train, test=test) if train and test else None
