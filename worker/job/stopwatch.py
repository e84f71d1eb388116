"""How long a run has trained, over all its attempts, and how long it may."""

import time

from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import time_limit


class Stopwatch:
    """Runs from when the model is built: training, validation, checkpoints, the last evaluation.

    Earlier attempts count as far as their training was kept. Until it is built a run has the
    operator's ceiling, so that nothing holds a slot for ever. Waiting in the queue is not counted.
    """

    def __init__(self, experiment: Experiment, settings: Settings, train_seconds: float) -> None:
        self._limit = time_limit(experiment, settings)
        self._allowed = settings.max_train_seconds
        self._used = train_seconds
        self._since = self._got_on_at = time.monotonic()

    def began(self, train_seconds: float) -> None:
        """The model is built; the checkpoint it goes on from was reached in `train_seconds`."""
        self._used = max(self._used, train_seconds)
        self._since = time.monotonic()
        self._allowed = self._limit

    def got_on(self) -> None:
        """An epoch was recorded."""
        self._got_on_at = time.monotonic()

    @property
    def tried_seconds(self) -> float:
        """Since the last epoch that was recorded, or the attempt's start."""
        return time.monotonic() - self._got_on_at

    @property
    def over(self) -> bool:
        """Whether the run has used up its time."""
        return self._used + time.monotonic() - self._since >= self._allowed

    @property
    def error(self) -> dict[str, str]:
        """What a run is told that took too long."""
        return {
            "code": "time_limit",
            "message": f"The run had trained for its {self._allowed:g} s, over all attempts, and "
            "was not at its end. Its curve is what it reached.",
            "hint": "Raise training.max_seconds (this server allows up to "
            "PLATEAU_MAX_TRAIN_SECONDS), or train fewer epochs, on fewer examples, or a smaller "
            "model.",
        }
