"""What the engine, its repairs and the baselines make of the benchmark's pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import jsonpatch

from benchmarks.diagnosis.cases import Pair, Spec, full, with_seed
from benchmarks.diagnosis.runs import Runs
from benchmarks.diagnosis.search import trials
from contract.settings import Settings
from diagnosis.diagnose import diagnose
from diagnosis.lint import findings
from diagnosis.report import Diagnosis
from diagnosis.run.case import Case

# A repair has held that gains this share of what the twin gains over chance.
_BAR = 0.9
# Repairs of the first cause that are tried.
_REPAIRS = 3


@dataclass(frozen=True)
class Judged:
    """One pair. `repaired`, `lucky`: whether a repair, or a random change, cleared the bar; None
    where the first cause has no repair, or the twin is of another dataset.
    """

    pair: Pair
    faulty: Case
    twin: Case
    found: Diagnosis
    of_twin: Diagnosis
    static: Sequence[str]
    repaired: bool | None
    lucky: bool | None

    @property
    def codes(self) -> Sequence[str]:
        return [cause.code for cause in self.found.causes]

    @property
    def first(self) -> bool:
        return any(code in self.pair.causes for code in self.codes[:1])

    @property
    def among_two(self) -> bool:
        return any(code in self.pair.causes for code in self.codes[:2])

    @property
    def static_first(self) -> bool:
        return any(code in self.pair.causes for code in self.static[:1])

    @property
    def false_alarm(self) -> bool:
        return self.of_twin.verdict == "unhealthy"


def judged(pair: Pair, runs: Runs, settings: Settings, seed: int, *, prove: bool) -> Judged:
    faulty = runs.case(with_seed(pair.faulty, seed))
    twin = runs.case(with_seed(pair.twin, seed))
    found = diagnose(faulty)
    repaired = lucky = None
    comparable = pair.faulty["dataset"]["name"] == pair.twin["dataset"]["name"]
    if prove and comparable and found.causes and found.causes[0].repairs:
        repairs = [*_repairs(faulty, found)]
        repaired = _any_clears(repairs, twin, runs)
        random = islice(trials(faulty.spec, runs.facts(faulty.spec), settings), len(repairs))
        lucky = _any_clears([*random], twin, runs)
    static = [finding.code for finding in findings(faulty.spec, asdict(runs.facts(faulty.spec)))]
    return Judged(pair, faulty, twin, found, diagnose(twin), static, repaired, lucky)


def _repairs(case: Case, found: Diagnosis) -> Iterator[Spec]:
    for change in found.causes[0].repairs[:_REPAIRS]:
        yield full(jsonpatch.apply_patch(case.spec, list(change.patch)))


def _any_clears(specs: Sequence[Spec], twin: Case, runs: Runs) -> bool:
    return any(_clears(runs.case(spec), twin) for spec in specs)


def _clears(case: Case, twin: Case) -> bool:
    value, best, chance = case.standing.value, twin.standing.value, twin.standing.chance
    if value is None or best is None or chance is None:
        return False
    return value - chance >= _BAR * (best - chance)
