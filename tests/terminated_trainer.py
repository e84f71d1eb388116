"""The fake trainer, told to go (SIGTERM) at the worst moments; once for all trainers of a site.

`PLATEAU_FAKE_TERMINATED` is when: `taken`, once it has an order that it has not begun; `untaken`,
while an order is on its way, which it then never sees.
"""

import os
import queue
import signal
from typing import Any

from contract.settings import Settings
from tests.fake_trainer import DEVICES, fake_run
from worker.trainer.__main__ import Trainer, channel_from_arguments

MOMENT = os.environ["PLATEAU_FAKE_TERMINATED"]


class Orders(queue.SimpleQueue[Any]):
    """Orders between which the signal comes."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if MOMENT == "untaken" and item is not None and first():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        item = super().get(block, timeout)
        if MOMENT == "taken" and item is not None and first():
            os.kill(os.getpid(), signal.SIGTERM)
        return item


def first() -> bool:
    folder = Settings().var_dir
    folder.mkdir(exist_ok=True)
    try:
        (folder / "terminated").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    trainer = Trainer(channel_from_arguments(), Settings())
    trainer._orders = Orders()
    trainer.serve(DEVICES, fake_run)
