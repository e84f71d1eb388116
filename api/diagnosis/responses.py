"""What is said of a run, of the runs that prove it, and of two runs side by side.

Results are test accuracies, or R2 for regression.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.json_numbers import Number
from api.jobs.responses import Metrics
from contract.store.status import Status
from contract.store.tables import Kind, ProofStatus
from diagnosis.comparison.attribution import Method
from diagnosis.comparison.explain import Certainty
from diagnosis.proof.judgement import Held, Standing
from diagnosis.report import Verdict

Patch = Annotated[
    list[dict[str, Any]],
    Field(description="RFC 6902 patch of the job's spec with all its defaults"),
]


class Change(BaseModel):
    """A change of the experiment."""

    code: str = Field(description="for programs; POST repairs takes it in `changes`")
    title: str = Field(description="what is changed, in words")
    patch: Patch
    mask: bool = Field(description="whether it may hide the cause instead of removing it")


class Cause(BaseModel):
    """Why the run failed."""

    code: str = Field(description="for programs")
    title: str = Field(description="the cause in words")
    score: float = Field(description="ranks the causes, from 0 to 1; no probability")
    standing: Standing | None = Field(
        description="what the proof made of it: proven (a repair held and no rival did), "
        "questioned (a rival held too), contributes (one of several faults), masked, refuted, "
        "untested; null without a proof"
    )
    evidence: list[str] = Field(description="sentences, each with the numbers that decide")
    numbers: dict[str, Number] = Field(description="those of the evidence, for programs")
    repairs: list[Change] = Field(description="each should repair the run alone, likeliest first")
    rivals: list[Change] = Field(description="what must not repair it, or the cause is another")


class Run(BaseModel):
    """A job that is one run of a trial."""

    job: str = Field(description="its id")
    url: str = Field(description="path on this server")
    seed: int = Field(description="of its weights and the order of its examples")
    status: Status = Field(description="how far it is, or how it ended")
    value: Number = Field(description="its result; null where there is none")
    verdict: str | None = Field(description="of its own diagnosis")


class Trial(BaseModel):
    """Runs of one changed spec, one for each seed."""

    code: str = Field(description="for programs; the job's `trial`")
    title: str = Field(description="what is changed, in words")
    changes: list[str] = Field(description="codes of the changes; several are made together")
    patch: Patch
    epochs: int = Field(description="of each run: other than the job's where that is the change")
    mask: bool = Field(description="whether it may hide the cause instead of removing it")
    repairs: list[str] = Field(description="codes of the causes that it must repair")
    rival_of: list[str] = Field(description="codes of the causes that it must not repair")
    outcome: Held | None = Field(
        description="whether it reached the bar, beyond the noise; null while the proof runs, and "
        "for a comparison"
    )
    value: Number = Field(description="mean result over the seeds")
    gain: Number = Field(description="over the job itself")
    noise: Number = Field(description="a gain up to this is none: the test part's size, the seeds")
    spread: Number = Field(description="standard deviation over the seeds")
    runs: list[Run] = Field(description="one for each seed")


class Proof(BaseModel):
    """The runs that prove a diagnosis, or what lies between two jobs."""

    object: Literal["proof"] = "proof"
    id: str = Field(description="the job's id; of a comparison both jobs' ids, as it was asked for")
    job: str = Field(description="id of the job that the trials change")
    kind: Kind = Field(description="repairs: of a diagnosis; hybrids: what lies between two jobs")
    status: ProofStatus = Field(description="failed: the runs stand, but not what they prove")
    round: int = Field(description="counts from 1; another may follow where nothing held alone")
    seeds: list[int] = Field(description="the same for each trial")
    baseline: Number = Field(description="what the job itself reached, over all seeds")
    bar: Number = Field(description="what a trial must reach to hold")
    best: str | None = Field(description="code of the repair that is named first")
    ties: list[str] = Field(description="codes of those that differ from it by noise alone")
    needed: dict[str, bool] = Field(
        description="by change, where several held together: whether it could not be left out"
    )
    created_at: datetime = Field(description="when it was asked for")
    finished_at: datetime | None = Field(description="null while it runs")
    trials: list[Trial] = Field(description="of all rounds, the likeliest repairs first")


class Diagnosis(BaseModel):
    """What is said of a run, and what proves it."""

    object: Literal["diagnosis"] = "diagnosis"
    job: str = Field(description="the job's id")
    status: Status = Field(description="how the run ended")
    verdict: Verdict | None = Field(
        description="whether the model learned; null unless the run succeeded"
    )
    headline: str | None = Field(description="the verdict in words; quotes the proof once it ended")
    causes: list[Cause] = Field(description="the likeliest first, by the proof where there is one")
    remarks: list[str] = Field(description="worth knowing, and no fault")
    proof: Proof | None = Field(description="POST repairs makes one")


class Compared(BaseModel):
    """One of the two jobs."""

    job: str = Field(description="its id")
    url: str = Field(description="path on this server")
    name: str = Field(description="its experiment's")
    status: Status = Field(description="how far it is, or how it ended")
    verdict: str | None = Field(description="whether the model learned, once the run succeeded")
    headline: str | None = Field(description="the verdict in words")
    metrics: Metrics | None = Field(description="of the final weights; null until succeeded")
    curves: dict[str, list[Number]] = Field(description="the epochs so far, as GET curves has them")
    signals: dict[str, Any] = Field(description="what was measured so far, as GET signals has it")


class Difference(BaseModel):
    """A field in which the specs differ."""

    pointer: str = Field(description="JSON pointer into the first job's spec with all its defaults")
    patch: Patch
    first: Any = Field(description="the first job's value; null where it lacks the field")
    second: Any = Field(description="the second job's")
    decides: bool = Field(description="false for what has no part in the outcome, such as a name")


class Contribution(BaseModel):
    """What one field has to do with the gap; null where no run tells."""

    alone: Number = Field(description="what it changes when it is put into the first job alone")
    last: Number = Field(description="what it changes when it alone was missing from the second")
    share: Number = Field(description="its share of the gap, by the attribution's method")


class Attribution(BaseModel):
    """How the gap between the two results is made up."""

    gap: Number = Field(description="the second job's result less the first's")
    parts: dict[str, Contribution] = Field(description="by field")
    adds_up: bool = Field(
        description="whether what the fields change alone sums to the gap, within the noise; else "
        "they act together, or one is enough without the others"
    )
    method: Method = Field(
        description="of the shares. shapley: from every mixture of the fields; both_ends: the mean "
        "of `alone` and `last`; one_end: what there is of these"
    )


class Explanation(BaseModel):
    """Which difference explains that one job did better."""

    certainty: Certainty = Field(
        description="decided: by runs, or as the only difference; likely: by a diagnosis, or by "
        "runs that do not add up; undecided; no_difference: the results are equal within the noise"
    )
    fields: list[str] = Field(description="JSON pointers, the weightiest first")
    detail: str = Field(description="the same in words")
    attribution: Attribution | None = Field(description="null without runs between the two")


class Comparison(BaseModel):
    """Two jobs side by side."""

    object: Literal["comparison"] = "comparison"
    jobs: list[Compared] = Field(
        min_length=2, max_length=2, description="the two, in the order in which they were named"
    )
    patch: Patch = Field(description="makes the second job's spec of the first's")
    differences: list[Difference] = Field(description="each field in which the specs differ")
    explanation: Explanation = Field(description="as far as runs and diagnoses tell")
    hybrids: Proof | None = Field(
        description="runs of the first job with fields of the second; POST the same makes them"
    )
