"""What the sweep routes ask for."""

import re
from typing import Annotated

from fastapi import Depends

from api.auth.caller import AppCaller
from api.dependencies import AppDatabase
from contract.errors import NotFound
from contract.store.tables import Sweep

_SWEEP_ID = re.compile(r"sweep_[0-9A-HJKMNP-TV-Z]{26}")


def _sweep_by_id(sweep_id: str, caller: AppCaller, database: AppDatabase) -> Sweep:
    known = _SWEEP_ID.fullmatch(sweep_id)
    with database.reading() as session:
        sweep = session.get(Sweep, sweep_id) if known else None
    if sweep is None or sweep.owner != caller.owner:
        raise NotFound(f"There is no sweep {sweep_id}; GET /v1/sweeps lists them.")
    return sweep


SweepById = Annotated[Sweep, Depends(_sweep_by_id)]
