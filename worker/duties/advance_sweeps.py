"""The steps of sweeps: what is tried next, what is pruned, when the budget is used up, the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from pydantic import ValidationError
from sqlmodel import Session

from contract.errors import SpecRefused
from contract.experiment.datasets import facts_for
from contract.experiment.spec import Experiment
from contract.jobs.queue_limit import hold, room
from contract.settings import Settings
from contract.sizing.limits import check
from contract.store.database import Database
from contract.store.tables import Sweep, SweepStatus
from contract.sweeps import lifecycle as sweeps
from contract.sweeps import results
from contract.sweeps.axes import Cell, drawn, key, placed
from contract.sweeps.cells import Run
from contract.sweeps.check import check_objective
from contract.sweeps.plan import Plan, objective_of
from worker.duties.attempts import Attempts
from worker.duties.cell_curves import Curves
from worker.duties.optuna_study import Search
from worker.duties.optuna_trials import Known, Trial, trials_of

# As `contract.sweeps.lifecycle.moved` has it.
State = tuple[int, int, int]
_BROKE_OFF = "its search broke off, by a fault of the service: the worker's log has the trace"


@dataclass(frozen=True)
class Step:
    """What is due: cells to add, what the pruner now knows, why nothing more begins, the end.

    It `waits` where the owner's queue has no room for all the cells that are wanted.
    """

    cells: Sequence[tuple[Cell, Experiment | str]] = ()
    known: Mapping[int, Known] = field(default_factory=dict)
    reason: str | None = None
    waits: bool = False
    done: bool = False

    @property
    def due(self) -> bool:
        """Whether there is anything to commit."""
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
        self._attempts = Attempts("the search of")
        self._seen: dict[str, State] = {}
        self._curves: dict[str, Curves] = {}

    def search(self) -> None:
        """Take the next step of each sweep that has one."""
        with self._database.reading() as session:
            found = sweeps.moved(session)
        self._seen = {id_: seen for id_, seen in self._seen.items() if id_ in found}
        self._curves = {id_: curves for id_, curves in self._curves.items() if id_ in found}
        self._attempts.keep(found)
        for id_, state in found.items():
            if self._seen.get(id_) != state and self._attempts.due(id_):
                step, give_up = partial(self._look, id_, state), partial(self._fail, id_, state[0])
                if not self._attempts.make(id_, step, give_up):
                    return

    def _look(self, sweep_id: str, state: State) -> None:
        step = self._due(sweep_id)
        if step.due:
            with self._database.writing() as session:
                sweep = sweeps.take(session, sweep_id, state[0])
                added = sweep is not None and _take(session, sweep, step, self._settings)
            if added:
                self._added()
        if not step.waits:  # else it has more to do, though it does not move
            self._seen[sweep_id] = state

    def _fail(self, sweep_id: str, round_: int) -> None:
        """The jobs that there are go their way."""
        with self._database.writing() as session:
            sweep = sweeps.take(session, sweep_id, round_)
            if sweep is not None:
                sweeps.end(session, sweep, SweepStatus.FAILED, _BROKE_OFF)

    def _due(self, sweep_id: str) -> Step:
        """Worked out before the step is taken: no lock is held while Optuna thinks."""
        with self._database.reading() as session:
            sweep = session.get_one(Sweep, sweep_id)
            plan = sweeps.plan_of(sweep)
            runs = results.runs(session, sweep_id, objective_of(plan))
            curves = self._read(session, sweep_id, plan, runs)
            counts = results.counts(session, [sweep_id])[sweep_id]
            ended = not counts.unended and not sweeps.proves(session, sweep_id)
            places = room(session, sweep.owner, self._settings) // plan.seeds
        trials = trials_of(sweep, runs, curves) if plan.pruner or plan.adaptive else []
        used_up = plan.budget.used_up(counts.epochs, counts.seconds)
        if sweep.reason is not None or used_up:
            left = not ended or len(sweep.cells) < plan.cells
            return Step(reason=used_up if sweep.reason is None and left else None, done=ended)
        search = Search(sweep_id, plan, max((run.epochs for run in runs), default=1))
        known = search.prune(trials) if plan.pruner else {}
        wanted = _wanted(plan, trials)
        asked = list(self._asked(sweep, search, trials, min(wanted, places)))
        return Step(asked, known, waits=len(asked) < wanted, done=ended and not wanted)

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
        self, sweep: Sweep, search: Search, trials: list[Trial], count: int
    ) -> Iterator[tuple[Cell, Experiment | str]]:
        """So many further cells; those that cannot be run count as tried."""
        for _ in range(count):
            cell = _fresh(search, trials)
            trials = [*trials, Trial(cell, "running", None, (), Known())]
            yield cell, self._experiment(sweep, search.plan, cell)

    def _experiment(self, sweep: Sweep, plan: Plan, cell: Cell) -> Experiment | str:
        """Checked as if it had been posted; where it would be refused, why."""
        try:
            experiment = Experiment.model_validate(placed(sweep.base, plan.axes, cell))
            dataset = experiment.dataset
            facts = facts_for(dataset, sweep.uploads.get(dataset.name))
            shape = check(experiment, facts, self._settings).output_shape
            check_objective(objective_of(plan), experiment, facts, shape)
        except (ValidationError, SpecRefused) as refused:
            return str(refused)
        return experiment


def _take(session: Session, sweep: Sweep, step: Step, settings: Settings) -> bool:
    """Whether further jobs wait."""
    if step.known:
        told = {str(number): asdict(known) for number, known in step.known.items()}
        sweep.trials = {**sweep.trials, **told}
        pruned = [number for number, known in step.known.items() if known.pruned]
        for number in pruned:
            pruner = sweep.plan["pruner"]["type"]
            reason = f"pruned by {pruner} after epoch {step.known[number].epoch}"
            sweeps.cancel_runs(session, sweep.id, reason, [number])
    if step.reason:
        sweep.reason = step.reason
        sweeps.cancel_runs(session, sweep.id, step.reason)
    if step.done:
        sweeps.end(session, sweep, SweepStatus.DONE)
    return bool(step.cells) and _add(session, sweep, step.cells, settings)


def _add(
    session: Session,
    sweep: Sweep,
    cells: Sequence[tuple[Cell, Experiment | str]],
    settings: Settings,
) -> bool:
    """Those for which the owner's queue has room by now; what is left is asked for again."""
    hold(session, sweep.owner)
    places = room(session, sweep.owner, settings) // sweeps.plan_of(sweep).seeds
    return bool(sweeps.add(session, sweep, cells[: max(0, places)]))


def _wanted(plan: Plan, trials: Sequence[Trial]) -> int:
    """Cells for the places that are free."""
    if not plan.adaptive:
        return 0
    free = plan.at_once - sum(trial.state == "running" for trial in trials)
    return max(0, min(free, plan.cells - len(trials)))


def _fresh(search: Search, trials: Sequence[Trial]) -> Cell:
    """What is proposed, unless it was tried before: the same again would tell nothing."""
    tried = [trial.cell for trial in trials]
    proposed = search.propose(trials)
    if key(proposed) not in {key(cell) for cell in tried}:
        return proposed
    return next(drawn(search.plan.axes, search.plan.seed + len(tried), tried), proposed)
