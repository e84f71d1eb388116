"""The same jobs again and again: undisturbed, and in the way of faults."""

from tests import processes
from tests.chaos.judge import Expected
from tests.chaos.schedule import Fault
from tests.chaos.stage import Stage


class Load:
    """So many jobs of so many epochs, each with a seed and so a curve of its own.

    Made while workers run: it waits for the undisturbed ones to succeed. `job_ids` are the others.
    """

    def __init__(self, stage: Stage, count: int, epochs: int) -> None:
        self._stage = stage
        self._count = count
        self._epochs = epochs
        undisturbed = self._submit()
        stage.wait_for("the undisturbed runs", *undisturbed)
        self._curves = [stage.site.curve(job_id) for job_id in undisturbed]
        self.job_ids: list[str] = []

    def start(self) -> list[str]:
        """One more of each job."""
        new = self._submit()
        self.job_ids += new
        return new

    def renew(self) -> None:
        """One more of each job if all have ended: the last may be over before the fault comes."""
        if self._stage.site.ended().issuperset(self.job_ids):
            self.start()

    def wait_until_due(self, fault: Fault) -> None:
        """Until the fault's share of all epochs is recorded."""
        total = len(self.job_ids) * self._epochs
        due = fault.at * total
        processes.wait_for(
            f"{due:.0f} of {total} epochs",
            lambda: self._stage.site.epochs(self.job_ids) >= due,
            self._stage.patience,
        )

    def wait_for_end(self) -> None:
        self._stage.wait_for("the disturbed runs", *self.job_ids)

    def expected(self) -> dict[str, Expected]:
        """Success, and the curve of the undisturbed twin."""
        return {
            job_id: Expected(curve=self._curves[number % self._count])
            for number, job_id in enumerate(self.job_ids)
        }

    def _submit(self) -> list[str]:
        return [self._stage.submit(seed, epochs=self._epochs) for seed in range(self._count)]
