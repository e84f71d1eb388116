"""Pages of sweeps."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from api.http.pages import Limit
from contract import ids
from contract.store.tables import Sweep, SweepStatus


class SweepPage(BaseModel):
    status: Annotated[SweepStatus | None, Field(description="only sweeps with this status")] = None
    after: Annotated[
        str | None,
        Field(pattern=ids.SWEEP.pattern, description="id of the previous page's last sweep"),
    ] = None
    limit: Limit = 20


def page(session: Session, owner: str, wanted: SweepPage) -> tuple[Sequence[Sweep], bool]:
    """Newest first, without what their tables take, and whether there are more."""
    left_out = (getattr(Sweep, name) for name in ("base", "uploads", "cells", "trials", "refused"))
    statement = select(Sweep).options(*(defer(each, raiseload=True) for each in left_out))
    statement = statement.where(Sweep.owner == owner).order_by(col(Sweep.id).desc())
    if wanted.status:
        statement = statement.where(Sweep.status == wanted.status)
    if wanted.after:
        statement = statement.where(Sweep.id < wanted.after)
    rows = session.exec(statement.limit(wanted.limit + 1)).all()
    return rows[: wanted.limit], len(rows) > wanted.limit
