"""Rows of datasets into response models."""

from contextlib import suppress
from typing import Any

from api.datasets import responses as dataset_responses
from api.datasets.reading.report import Report
from contract.errors import Unreadable
from contract.experiment.datasets import CATALOGUE, Facts, facts_of
from contract.settings import Settings
from contract.store.documents import read
from contract.store.tables import Dataset


def dataset(row: Dataset) -> dataset_responses.KnownDataset:
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
    """What each job on it keeps: see `contract.store.tables.Job`."""
    return row.model_dump(include={"facts", "key", "sha256"})


def catalogued(name: str, settings: Settings) -> dataset_responses.KnownDataset:
    """A dataset of the catalogue; `file_present` is None where it needs no file."""
    facts = CATALOGUE[name]
    present = (settings.data_dir / f"{name}.npz").is_file() if facts.source == "file" else None
    return _dataset(name, facts, name=name, kind="catalogue", file_present=present)


def _dataset(id_: str, facts: Facts, **more: Any) -> dataset_responses.KnownDataset:
    urls = {"self": f"/v1/datasets/{id_}", "jobs": f"/v1/jobs?dataset={id_}"}
    own = {"id": id_, "dtype": facts.dtype, "urls": urls}
    return dataset_responses.KnownDataset.model_validate({**vars(facts), **own, **more})


def _class_counts(report: Report) -> dataset_responses.ClassCounts | None:
    train, test = (part.class_counts or part.label_counts for part in (report.train, report.test))
    return dataset_responses.ClassCounts(train=train, test=test) if train and test else None
