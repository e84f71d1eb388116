"""Optuna, which proposes cells and prunes runs: a study in memory, made anew of what is stored.

Nothing is kept between two questions, so a worker that dies loses nothing, and the next one gets
the same answers: the sampler is seeded by the plan's seed and the trial's number. Optuna is loaded
by the first question, not by the start of the worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.axes import Cell, Range, Values, key
from contract.plan import HyperbandPruner, MedianPruner, Plan, objective_of
from worker.trials import Known, Trial

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
        import optuna

        study = self._study(trials)
        told = {}
        for number, trial in enumerate(trials):
            news = sorted(epoch for epoch in trial.curve if epoch > trial.known.epoch)
            if trial.state != "running" or trial.known.pruned or not news:
                continue
            asked = optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
            told[number] = self._told(asked, trial, news)
        return told

    def _told(self, asked: "optuna.trial.Trial", trial: Trial, news: Sequence[int]) -> Known:
        for epoch in news:
            asked.report(trial.curve[epoch], epoch)
            # What has trained its last epoch has nothing left to save.
            if epoch < self.epochs and asked.should_prune():
                break
        else:
            return Known(news[-1], asked.storage.get_trial_system_attrs(asked._trial_id))
        return Known(epoch, asked.storage.get_trial_system_attrs(asked._trial_id), pruned=True)

    def _study(self, trials: Sequence[Trial]) -> "optuna.Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name=self.name,
            direction="maximize" if objective_of(self.plan).maximized else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=self._pruner(),
        )
        study.add_trials([self._frozen(trial) for trial in trials])
        return study

    def _frozen(self, trial: Trial) -> "optuna.trial.FrozenTrial":
        import optuna

        axes = self.plan.axes.items() if self.plan.adaptive else ()
        curve = trial.curve.items()
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState[trial.state.upper()],
            value=trial.value if trial.state == "complete" else None,
            params={at: _param(axis, trial.cell[n]) for n, (at, axis) in enumerate(axes)},
            distributions=self._space(),
            intermediate_values={
                epoch: value
                for epoch, value in curve
                if trial.state != "running" or epoch <= trial.known.epoch
            },
            system_attrs=dict(trial.known.attrs),
        )

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
