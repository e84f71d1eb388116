"""The table of workers (`contract.tables` has all others)."""

from datetime import datetime

from sqlmodel import Field

from contract.clock import UTCDateTime
from contract.schema import Base, document


class Worker(Base, table=True):
    """One run of a worker process; `heartbeat_at` says whether it still lives."""

    __tablename__ = "workers"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    devices: list[str] = document(nullable=False)
    queues: list[str] = document(nullable=False)
    slots: int
    started_at: datetime = Field(sa_type=UTCDateTime)
    heartbeat_at: datetime = Field(sa_type=UTCDateTime, index=True)
    stopped_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
