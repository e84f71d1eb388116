"""The steps of sweeps: what is tried next, what is pruned, when the budget is used up, the end."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from contract import reached, sweeping
from contract.axes import Cell, drawn, key, placed
from contract.budget import check
from contract.cells import Run
from contract.database import Database
from contract.datasets import facts_of
from contract.errors import SpecRefused
from contract.plan import Plan, objective_of
from contract.planning import check_objective
from contract.settings import Settings
from contract.spec import Experiment
from contract.sweep import Sweep, SweepStatus
from worker.curves import Curves
from worker.study import Search
from worker.trials import Known, Trial, trials_of

log = logging.getLogger(__name__)

_BROKE_OFF = "its search broke off, by a fault of the service: the worker's log has the trace"


@dataclass(frozen=True)
class Step:
    """What is due: cells to add, what the pruner now knows, why nothing more begins, the end."""

    cells: Sequence[tuple[Cell, Experiment | str]] = ()
    known: Mapping[int, Known] = field(default_factory=dict)
    reason: str | None = None
    done: bool = False

    @property
    def due(self) -> bool:
        return bool(self.cells or self.known or self.reason or self.done)


class Searcher:
    """Looks after the sweeps that run, those alone that have moved since it last looked.

    `added` is called when further jobs wait.
    """

    def __init__(
        self, database: Database, settings: Settings, added: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._settings = settings
        self._added = added
        self._seen: dict[str, tuple[int, int]] = {}
        self._curves: dict[str, Curves] = {}

    def search(self) -> None:
        """Take the next step of each sweep that has one."""
        with self._database.reading() as session:
            found = {id_: (round_, events) for id_, round_, events in sweeping.moved(session)}
        self._seen = {id_: seen for id_, seen in self._seen.items() if id_ in found}
        self._curves = {id_: curves for id_, curves in self._curves.items() if id_ in found}
        for id_, (round_, events) in found.items():
            if self._seen.get(id_) != (round_, events):
                self._look(id_, round_)
                self._seen[id_] = round_, events

    def _look(self, sweep_id: str, round_: int) -> None:
        try:
            step = self._due(sweep_id)
            if step.due:
                with self._database.writing() as session:
                    sweep = sweeping.take(session, sweep_id, round_)
                    if sweep is not None:
                        _take(session, sweep, step)
            if step.cells:
                self._added()
        except OperationalError:
            raise
        except Exception:
            # It would break again each time: the jobs that there are go their way.
            log.exception("the search of %s broke off", sweep_id)
            with self._database.writing() as session:
                sweep = sweeping.take(session, sweep_id, round_)
                if sweep is not None:
                    sweeping.end(session, sweep, SweepStatus.FAILED, _BROKE_OFF)

    def _due(self, sweep_id: str) -> Step:
        """Worked out before the step is taken: no lock is held while Optuna thinks."""
        with self._database.reading() as session:
            sweep = session.get_one(Sweep, sweep_id)
            plan = sweeping.plan_of(sweep)
            runs = reached.runs(session, sweep_id, objective_of(plan))
            curves = self._read(session, sweep_id, plan, runs)
        trials = trials_of(sweep, runs, curves) if plan.pruner or plan.adaptive else []
        used_up = plan.budget.used_up(
            sum(run.epoch for run in runs), sum(run.train_seconds for run in runs)
        )
        ended = all(run.ended for run in runs)
        if sweep.reason is not None or used_up:
            left = not ended or len(sweep.cells) < plan.cells
            return Step(reason=used_up if sweep.reason is None and left else None, done=ended)
        search = Search(sweep_id, plan, max((run.epochs for run in runs), default=1))
        known = search.prune(trials) if plan.pruner else {}
        asked = list(self._asked(sweep, search, trials))
        return Step(asked, known, done=ended and not asked)

    def _read(
        self, session: Session, sweep_id: str, plan: Plan, runs: Sequence[Run]
    ) -> Curves | None:
        """What a pruner goes by; None where there is none."""
        if plan.pruner is None:
            return None
        curves = self._curves.setdefault(sweep_id, Curves(objective_of(plan).metric))
        curves.read(session, runs)
        return curves

    def _asked(
        self, sweep: Sweep, search: Search, trials: list[Trial]
    ) -> Iterator[tuple[Cell, Experiment | str]]:
        """Cells for the places that are free; those that cannot be run count as tried."""
        plan = search.plan
        if not plan.adaptive:
            return
        free = plan.at_once - sum(trial.state == "running" for trial in trials)
        for _ in range(min(free, plan.cells - len(trials))):
            cell = _fresh(search, trials)
            trials = [*trials, Trial(cell, "running", None, (), Known())]
            yield cell, self._experiment(sweep, plan, cell)

    def _experiment(self, sweep: Sweep, plan: Plan, cell: Cell) -> Experiment | str:
        """Checked as if it had been posted; where it would be refused, why."""
        try:
            experiment = Experiment.model_validate(placed(sweep.base, plan.axes, cell))
            name = experiment.dataset.name
            facts = facts_of(name, sweep.uploads.get(name))
            check(experiment, facts, self._settings)
            check_objective(objective_of(plan), experiment, facts)
        except (ValidationError, SpecRefused) as refused:
            return str(refused)
        return experiment


def _take(session: Session, sweep: Sweep, step: Step) -> None:
    if step.known:
        told = {str(number): asdict(known) for number, known in step.known.items()}
        sweep.trials = {**sweep.trials, **told}
        pruned = [number for number, known in step.known.items() if known.pruned]
        for number in pruned:
            pruner = sweep.plan["pruner"]["type"]
            reason = f"pruned by {pruner} after epoch {step.known[number].epoch}"
            sweeping.cancel_runs(session, sweep.id, reason, [number])
    if step.reason:
        sweep.reason = step.reason
        sweeping.cancel_runs(session, sweep.id, step.reason)
    if step.cells:
        sweeping.add(session, sweep, step.cells)
    if step.done:
        sweeping.end(session, sweep, SweepStatus.DONE)


def _fresh(search: Search, trials: Sequence[Trial]) -> Cell:
    """What is proposed, unless it was tried before: the same again would tell nothing."""
    tried = [trial.cell for trial in trials]
    proposed = search.propose(trials)
    if key(proposed) not in {key(cell) for cell in tried}:
        return proposed
    return next(drawn(search.plan.axes, search.plan.seed + len(tried), tried), proposed)
