"""Optuna, which proposes cells and prunes runs: a study in memory, made anew of what is stored.

Nothing is kept between two questions, so a worker that dies loses nothing, and the next one gets
the same answers: the sampler is seeded by the plan's seed and the trial's number. Optuna is loaded
by the first question, not by the start of the worker.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from contract.sweeps.axes import Cell, Range, Values, key
from contract.sweeps.plan import HyperbandPruner, MedianPruner, Plan, objective_of
from worker.duties.optuna_trials import Known, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalChoiceType


@dataclass(frozen=True)
class Search:
    """The questions that a sweep has. `epochs` is the longest run's."""

    name: str
    plan: Plan
    epochs: int

    def propose(self, trials: Sequence[Trial]) -> Cell:
        """The cell to try after these."""
        import optuna

        study = self._study(trials)
        seed = (self.plan.seed * 1_000_003 + len(trials)) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=seed)
        params = study.ask(self._space()).params
        return [_value(axis, params[at]) for at, axis in self.plan.axes.items()]

    def prune(self, trials: Sequence[Trial]) -> dict[int, Known]:
        """By number, the running trials that have new epochs, and what the pruner says to those."""
        asking = {number: trial for number, trial in enumerate(trials) if trial.news}
        if not asking:
            return {}
        import optuna

        study = self._study(trials, {epoch for trial in asking.values() for epoch in trial.news})
        stored = study.get_trials(deepcopy=False)
        return {
            number: self._told(optuna.trial.Trial(study, stored[number]._trial_id), trial)
            for number, trial in asking.items()
        }

    def _told(self, asked: "optuna.trial.Trial", trial: Trial) -> Known:
        for epoch in trial.news:
            asked.report(trial.curve[epoch - 1], epoch)
            # What has trained its last epoch has nothing left to save.
            if epoch < self.epochs and asked.should_prune():
                return Known(epoch, self._notes(asked), pruned=True)
        return Known(len(trial.curve), self._notes(asked))

    def _notes(self, asked: "optuna.trial.Trial") -> dict[str, Any]:
        return asked.storage.get_trial_system_attrs(asked._trial_id)

    def _study(self, trials: Sequence[Trial], epochs: Set[int] = frozenset()) -> "optuna.Study":
        """`epochs` are those that the pruner will be asked about."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name=self.name,
            direction="maximize" if objective_of(self.plan).maximized else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=self._pruner(),
        )
        study.add_trials([self._frozen(trial, epochs) for trial in trials])
        return study

    def _frozen(self, trial: Trial, epochs: Set[int]) -> "optuna.trial.FrozenTrial":
        import optuna

        axes = self.plan.axes.items() if self.plan.adaptive else ()
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState[trial.state.upper()],
            value=trial.value if trial.state == "complete" else None,
            params={at: _param(axis, trial.cell[n]) for n, (at, axis) in enumerate(axes)},
            distributions=self._space(),
            intermediate_values=self._shown(trial, epochs),
            system_attrs=dict(trial.known.attrs),
        )

    def _shown(self, trial: Trial, epochs: Set[int]) -> dict[int, float]:
        """Of what a trial has told, as much as Optuna looks at: `epochs`, the best and the last.

        The whole of it would be copied for each question, and most of it never read.
        """
        told = trial.known.epoch if trial.state == "running" else len(trial.curve)
        if told == 0:
            return {}
        wanted = {epoch for epoch in epochs if epoch <= told}
        if trial.state == "running":
            wanted.add(self._best(trial.curve[:told]))
        return {epoch: trial.curve[epoch - 1] for epoch in sorted(wanted | {told})}

    def _best(self, curve: Sequence[float]) -> int:
        """The epoch of the best value; the first one where none is a number."""
        sign = -1 if objective_of(self.plan).maximized else 1
        at = range(1, len(curve) + 1)
        known = (epoch for epoch in at if not isnan(curve[epoch - 1]))
        return min(known, key=lambda epoch: sign * curve[epoch - 1], default=1)

    def _space(self) -> "dict[str, BaseDistribution]":
        if not self.plan.adaptive:
            return {}
        return {at: _distribution(axis) for at, axis in self.plan.axes.items()}

    def _pruner(self) -> "optuna.pruners.BasePruner":
        from optuna import pruners

        match self.plan.pruner:
            case MedianPruner() as median:
                return pruners.MedianPruner(**median.model_dump(exclude={"type"}))
            case HyperbandPruner() as hyperband:
                return pruners.HyperbandPruner(
                    max_resource=max(self.epochs, hyperband.min_resource),
                    **hyperband.model_dump(exclude={"type"}),
                )
        return pruners.NopPruner()


def _distribution(axis: Values | Range) -> "BaseDistribution":
    from optuna import distributions

    if not isinstance(axis, Range):
        # By place: a value may be a list or an object, which Optuna takes for no choice.
        places: Sequence[CategoricalChoiceType] = range(len(axis))
        return distributions.CategoricalDistribution(places)
    if axis.whole:
        low, high, step = int(axis.low), int(axis.last), int(axis.pace or 1)
        return distributions.IntDistribution(low, high, log=axis.log, step=step)
    return distributions.FloatDistribution(axis.low, axis.last, log=axis.log, step=axis.step)


def _param(axis: Values | Range, value: Any) -> Any:
    """As the distribution has the axis' value."""
    if isinstance(axis, Range):
        return value
    return [key(each) for each in axis].index(key(value))


def _value(axis: Values | Range, param: Any) -> Any:
    return param if isinstance(axis, Range) else axis[param]
