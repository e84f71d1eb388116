"""Sweeps as they are answered: a dry run, a summary, the table of cells."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlmodel import Session

from api.http.etags import named, tag_of
from api.jobs import news
from api.jobs.long_poll import Seen
from api.sweeps import responses
from api.sweeps.request import Reader
from contract.store.database import Database
from contract.store.documents import read
from contract.store.numbers import encode
from contract.store.tables import Sweep, SweepStatus
from contract.sweeps import lifecycle as sweeps
from contract.sweeps.axes import Cell
from contract.sweeps.cells import Run, Spread, best, by_cell, spread_of
from contract.sweeps.plan import Plan, objective_of
from contract.sweeps.results import Counts, counts, runs

# Another version of the service may say the same otherwise.
_FORM = sha256(repr(responses.SweepTable.model_json_schema()).encode()).hexdigest()


def url(sweep_id: str, *rest: str) -> str:
    """The path of a sweep, or of what is below it."""
    return "/".join(("/v1/sweeps", sweep_id, *rest))


def preview(reader: Reader) -> responses.SweepDryRun:
    """Raises SpecRefused."""
    planned, plan = reader.cells(), reader.plan
    return responses.SweepDryRun(
        jobs=plan.cells * plan.seeds,
        objective=objective_of(plan),
        cells=[_values(plan, each.cell) for each in planned],
        epochs_total=plan.seeds * sum(each.experiment.training.epochs for each in planned),
        flops_total=plan.seeds * sum(each.cost.flops_total for each in planned),
        memory_bytes=max(each.cost.memory_bytes for each in planned),
    )


def summaries(session: Session, rows: Sequence[Sweep]) -> list[responses.Sweep]:
    """As many as rows, in one statement more."""
    found = counts(session, [row.id for row in rows])
    return [read(responses.Sweep, _summary(row, found[row.id])) for row in rows]


def table(session: Session, row: Sweep) -> responses.SweepTable:
    """Worked out of the sweep's own jobs, in two statements."""
    plan = sweeps.plan_of(row)
    objective = objective_of(plan)
    own = by_cell(runs(session, row.id, objective), len(row.cells))
    spreads = [spread_of(cell) for cell in own]
    cells = [
        _cell(row, plan, number, spread, cell)
        for number, (spread, cell) in enumerate(zip(spreads, own, strict=True))
    ]
    first = best(spreads, maximized=objective.maximized)
    return read(
        responses.SweepTable,
        {
            **_summary(row, counts(session, [row.id])[row.id]),
            "objective": objective,
            "best": None if first is None else cells[first],
            "cells": cells,
            "base": row.base,
        },
    )


def look(database: Database, sweep_id: str, if_none_match: Sequence[str]) -> Seen:
    """The sweep as it is now; without its table for who has that already."""
    with database.reading() as session:
        row = session.get_one(Sweep, sweep_id)
        (seq,) = (each.seq for each in news.of_sweeps(session.connection(), [row.id]).values())
        # All that the table follows from: each change of a job is an event.
        tag = tag_of(_FORM, row.id, row.round, row.status, row.reason, row.finished_at, seq)
        body = "" if named(tag, if_none_match) else table(session, row).model_dump_json()
    return Seen(body, tag, {row.id: seq} if row.status == SweepStatus.RUNNING else {})


def _summary(row: Sweep, found: Counts) -> dict[str, Any]:
    budget = row.plan.get("budget")
    most = {"epochs": None, "seconds": None} | (budget if isinstance(budget, dict) else {})
    return {
        **row.model_dump(include={"id", "name", "status", "reason", "created_at", "finished_at"}),
        "terminal": row.status != SweepStatus.RUNNING,
        "jobs": found.jobs,
        "budget": {**most, "spent_epochs": found.epochs, "spent_seconds": found.seconds},
        "plan": {name: value for name, value in row.plan.items() if value is not None},
        "urls": {
            "self": url(row.id),
            "jobs": f"/v1/jobs?sweep={row.id}",
            "cancel": url(row.id, "cancel"),
        },
    }


def _cell(
    row: Sweep, plan: Plan, number: int, spread: Spread, own: Sequence[Run]
) -> dict[str, Any]:
    name = str(number)
    return {
        "cell": number,
        "values": _values(plan, row.cells[number]),
        **encode(vars(spread)),
        "verdicts": Counter(run.verdict for run in own if run.verdict is not None),
        "pruned": row.trials.get(name, {}).get("pruned", False),
        "refused": row.refused.get(name),
        "runs": [_run(run) for run in own],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "job": run.job_id,
        "url": f"/v1/jobs/{run.job_id}",
        "seed": run.seed,
        "status": run.status,
        "verdict": run.verdict,
        "value": encode(run.value),
    }


def _values(plan: Plan, cell: Cell) -> dict[str, Any]:
    return dict(zip(plan.axes, cell, strict=True))
