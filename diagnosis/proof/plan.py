"""Which runs decide a diagnosis: the repairs, their rivals, and then changes together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, combinations, zip_longest

from diagnosis.differences import overlap
from diagnosis.proof.judgement import Report
from diagnosis.proof.trial import BASELINE, Collected, Outcome, Trial, Variants
from diagnosis.report import Cause, Change, Diagnosis, Patch

# Trials of one proof, each of as many runs as there are seeds.
MOST = 10
# What a first round leaves for changes together: those of three, and each left out in turn.
_KEPT = 4
_CAUSES = 3
_TOGETHER = 3


def plan(
    diagnosis: Diagnosis, variants: Variants, *, seeds: int = 1, only: Collection[str] = ()
) -> list[Trial]:
    """The first round: repairs and rivals of the likeliest causes, each spec once.

    What a trial shows of less likely causes is not forgotten. `only` names the changes that are
    wanted, by their codes; all where it is empty. With several seeds the run itself is trained with
    the others too. A change that cannot be trained (over the budget, say) is left out.
    """
    found = Collected(variants)
    for causes, new in ((diagnosis.causes[:_CAUSES], True), (diagnosis.causes, False)):
        for cause, change, role in _by_turns(causes):
            if not only or change.code in only:
                found.add([change], **{role: cause}, new=new or bool(only))
    repeated = []
    if seeds > 1 and found.trials and (own := variants(())) is not None:
        repeated = [Trial(BASELINE, "the run itself", (), int(own["training"]["epochs"]))]
    most = MOST if only else MOST - _KEPT
    return [*repeated, *found.trials[: most - len(repeated)]]


def further(
    diagnosis: Diagnosis,
    variants: Variants,
    tried: Sequence[Trial],
    report: Report,
    outcomes: Sequence[Outcome],
) -> list[Trial]:
    """The next round; empty where nothing is left to decide.

    Where no single change held, the likeliest are tried together: one of each cause, the first two
    of these, and the best ones with what the diagnosis of their own runs asks for. Where such a set
    holds, each change of the smallest is left out in turn.
    """
    if any(len(trial.changes) > 1 for trial in tried):
        sets = _left_out([trial for trial in tried if trial.code in report.held])
    else:
        sets = [] if report.held else _sets(diagnosis, tried, report, outcomes)
    found = Collected(variants, tried)
    for changes in sets:
        found.add(changes)
    return found.trials[: max(0, MOST - len(tried))]


def _by_turns(causes: Sequence[Cause]) -> Iterator[tuple[str, Change, str]]:
    """Each cause's repairs and rivals by turns, and the likeliest cause first at each turn."""
    turns = zip_longest(*map(_of_cause, causes))
    return (each for each in chain.from_iterable(turns) if each is not None)


def _of_cause(cause: Cause) -> list[tuple[str, Change, str]]:
    repairs = [(cause.code, change, "repairs") for change in cause.repairs]
    rivals = [(cause.code, change, "rival_of") for change in cause.rivals]
    return [each for pair in zip_longest(repairs, rivals) for each in pair if each is not None]


def _sets(
    diagnosis: Diagnosis, tried: Sequence[Trial], report: Report, outcomes: Sequence[Outcome]
) -> list[Sequence[Change]]:
    alone = [t for t in tried if len(t.changes) == 1 and t.repairs and not t.mask]
    ranked = sorted(alone, key=lambda trial: -report.scores.get(trial.code, float("-inf")))
    best: Mapping[str, Trial] = {
        cause: trial for trial in reversed(ranked) for cause in trial.repairs
    }
    likely = [best[cause.code] for cause in diagnosis.causes if cause.code in best]
    all_together = _compatible([trial.changes[0] for trial in [*likely, *ranked]])
    sets: list[Sequence[Change]] = [all_together, all_together[:2]]
    asked = {outcome.trial: outcome.diagnosis for outcome in outcomes if outcome.diagnosis}
    sets += [
        [trial.changes[0], change]
        for trial in ranked[:2]
        if trial.code in asked
        for change in _first_repair(asked[trial.code])
    ]
    return [changes for changes in sets if len(changes) > 1]


def _first_repair(diagnosis: Diagnosis) -> list[Change]:
    of_first = diagnosis.causes[0].repairs if diagnosis.causes else ()
    return [change for change in of_first if not change.mask][:1]


def _compatible(changes: Sequence[Change]) -> list[Change]:
    """The first few that touch different fields; what renumbers the layers comes last."""
    kept: list[Change] = []
    for change in changes:
        if len(kept) < _TOGETHER and not any(_clash(change.patch, k.patch) for k in kept):
            kept.append(change)
    return sorted(kept, key=lambda change: _renumbers(change.patch))


def _clash(one: Patch, other: Patch) -> bool:
    if _renumbers(one) and _renumbers(other):
        return True
    return any(overlap(a["path"], b["path"]) for a in one for b in other)


def _renumbers(patch: Patch) -> bool:
    """Whether what stands behind in a list gets another number."""
    return any(
        operation["op"] != "replace" and operation["path"].rpartition("/")[2].isdecimal()
        for operation in patch
    )


def _left_out(held: Sequence[Trial]) -> list[Sequence[Change]]:
    """The sets with one change less than the smallest that held."""
    fewest = min((len(trial.changes) for trial in held), default=0)
    smallest = [trial.changes for trial in held if len(trial.changes) == fewest]
    return [left for changes in smallest for left in combinations(changes, fewest - 1)]
