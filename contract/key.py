"""The table of keys (`contract.tables` has all others)."""

from datetime import datetime

from sqlmodel import Field

from contract.clock import UTCDateTime
from contract.schema import Base, document


class ApiKey(Base, table=True):
    """A bearer token, of which only the hash is known here."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    name: str
    sha256: str
    scopes: list[str] = document(nullable=False)
    created_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
