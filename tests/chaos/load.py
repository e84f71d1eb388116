"""The same jobs twice: undisturbed, and then in the way of faults."""

from tests import processes
from tests.chaos.judge import Expected
from tests.chaos.schedule import Fault
from tests.chaos.stage import Stage


class Load:
    """So many jobs of so many epochs, each with a seed and so a curve of its own.

    Made while workers run: it waits for the undisturbed ones to succeed.
    """

    def __init__(self, stage: Stage, count: int, epochs: int) -> None:
        self._stage = stage
        self._total = count * epochs
        self._undisturbed = [stage.submit(number, epochs=epochs) for number in range(count)]
        stage.wait_for("the undisturbed runs", *self._undisturbed)
        self.job_ids = [stage.submit(number, epochs=epochs) for number in range(count)]

    def wait_until_due(self, fault: Fault) -> None:
        """Until the fault's share of all epochs is recorded."""
        due = fault.at * self._total
        processes.wait_for(
            f"{due:.0f} of {self._total} epochs",
            lambda: self._stage.site.epochs(self.job_ids) >= due,
            self._stage.patience,
        )

    def wait_for_end(self) -> None:
        self._stage.wait_for("the disturbed runs", *self.job_ids)

    def expected(self) -> dict[str, Expected]:
        """Success, and the curve of the undisturbed twin."""
        pairs = zip(self._undisturbed, self.job_ids, strict=True)
        return {there: Expected(curve=self._stage.site.curve(here)) for here, there in pairs}
