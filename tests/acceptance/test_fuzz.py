"""The API as its description has it, asked by schemathesis: `make fuzz` asks at length."""

import json
from pathlib import Path

import pytest

from tests import jobs
from tests.fuzzing import fuzz, fuzzed_site


@pytest.mark.parametrize(
    ("phases", "examples", "least"),
    [
        ("examples,fuzzing,stateful", 8, 300),
        pytest.param("examples,coverage,fuzzing,stateful", 60, 5_000, marks=pytest.mark.slow),
    ],
    ids=["short", "long"],
)
def test_no_answer_breaks_the_contract(
    database_url: str, tmp_path: Path, phases: str, examples: int, least: int
) -> None:
    with fuzzed_site(database_url, tmp_path) as (site, client, worker):
        told = fuzz(site, client, examples=examples, phases=phases)
        print(told)
        assert told.report["failures"] + told.report["errors"] == [], told.said
        assert told.report["exit_code"] == 0, told.said
        assert told.report["operations"]["tested"] == told.report["operations"]["total"]
        assert told.report["test_cases"]["generated"] >= least
        assert worker.process.poll() is None
        urgent = site.submit(jobs.experiment(priority=10).model_dump(exclude_unset=True))
        assert site.wait_for_end(urgent)[0].status == "succeeded"
    for log in tmp_path.glob("*.log"):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line for line in lines if line["level"] in ("error", "critical")] == []
