"""What the sweep routes ask for."""

from typing import Annotated

from fastapi import Depends

from api.auth.caller import AppCaller
from api.dependencies import AppDatabase
from contract import ids
from contract.errors import NotFound
from contract.store.tables import Sweep


def _sweep_by_id(sweep_id: str, caller: AppCaller, database: AppDatabase) -> Sweep:
    with database.reading() as session:
        sweep = session.get(Sweep, sweep_id) if ids.SWEEP.fits(sweep_id) else None
    if sweep is None or sweep.owner != caller.owner:
        raise NotFound(f"There is no sweep {sweep_id}; GET /v1/sweeps lists them.")
    return sweep


SweepById = Annotated[Sweep, Depends(_sweep_by_id)]
