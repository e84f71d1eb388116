"""Experiments trained once, and kept with their signals: judging them again takes no time."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.agreement import Silent
from benchmarks.diagnosis.cases import Spec
from benchmarks.diagnosis.uploads import MAKERS, Uploaded, uploaded
from contract.experiment.datasets import CATALOGUE, Facts
from contract.experiment.spec import Experiment
from contract.jobs.reports import FinishedEpoch, Signal
from contract.jobs.signals import together
from contract.settings import Settings
from contract.store.documents import read
from contract.store.numbers import decode, encode
from diagnosis.run.case import Case
from diagnosis.run.signals import Signals


@dataclass
class Recorder(Silent):
    """Hooks that keep what they are told."""

    rows: list[FinishedEpoch]
    signals: list[Signal]

    def epochs(self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path) -> None:
        self.rows += rows
        self.signals += signals
        checkpoint.unlink()


class Runs:
    """Trains in this process, and keeps what came of it in `folder`, by the experiment's hash."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._settings = settings
        self.uploads: dict[str, Uploaded] = {name: uploaded(name, folder) for name in MAKERS}
        self._by_id = {upload.id: upload for upload in self.uploads.values()}
        self.trained = 0

    def case(self, spec: Spec) -> Case:
        """The run of `spec`, trained now if it never was."""
        facts = self.facts(spec)
        stored = self._stored(spec, facts)
        return Case(
            spec=spec,
            facts=asdict(facts),
            curve={name: [decode(v) for v in series] for name, series in stored["curve"].items()},
            metrics={name: decode(value) for name, value in stored["metrics"].items()},
            reason=stored["reason"],
            class_counts=stored["class_counts"],
            signals=read(Signals, stored["signals"]),
        )

    def facts(self, spec: Spec) -> Facts:
        name = spec["dataset"]["name"]
        return CATALOGUE[name] if name in CATALOGUE else self._by_id[name].facts

    def _stored(self, spec: Spec, facts: Facts) -> Mapping[str, Any]:
        told = {name: spec[name] for name in ("dataset", "model", "training")}
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]
        file = self._folder / f"{key}.json"
        if not file.exists():
            self.trained += 1
            file.write_text(json.dumps(encode(self._train(spec, facts)), allow_nan=False))
        kept: Mapping[str, Any] = json.loads(file.read_text())
        return kept

    def _train(self, spec: Spec, facts: Facts) -> Mapping[str, Any]:
        from worker.training.hooks import Finished
        from worker.training.program.cache import Programs
        from worker.training.run import train

        recorder = Recorder([], [])
        upload = self._by_id.get(spec["dataset"]["name"])
        with tempfile.TemporaryDirectory() as scratch:
            end = train(
                Experiment.model_validate(spec),
                facts,
                upload=(lambda: nullcontext(upload.file)) if upload else None,
                data_dir=self._settings.data_dir,
                scratch=Path(scratch),
                resume=None,
                checkpoint_seconds=3600,
                hooks=recorder,
                programs=Programs(Path(scratch)),
            )
        assert isinstance(end, Finished)
        names = recorder.rows[0].metrics
        return {
            "curve": {name: [row.metrics[name] for row in recorder.rows] for name in names},
            "metrics": end.metrics,
            "reason": end.reason,
            "class_counts": end.class_counts,
            "signals": together(recorder.signals),
        }
