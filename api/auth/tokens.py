"""Bearer tokens: how they are made, kept and recognised. Only their hash is in the database.

A token is `plateau_`, the ULID of its key, `_`, and 256 random bits: the ULID finds the row, the
bits are the secret. So many bits need no slow hash.
"""

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from contract import ids
from contract.errors import NotFound, Unauthorized
from contract.store import clock
from contract.store.clock import now
from contract.store.tables import ApiKey

Scope = Literal["read", "submit", "admin"]
# Each implies those before it.
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")

_SECRET_BYTES = 32
_NEW = "python -m api.keys create --owner NAME makes a new one"
_UNKNOWN = f"There is no such key, or it was revoked: {_NEW}."
_TOKEN = re.compile(rf"plateau_({ids.ULID_FORM})_[A-Za-z0-9_-]{{43}}")


def create(
    session: Session, owner: str, *, name: str, scopes: Iterable[Scope], days: int | None
) -> tuple[ApiKey, str]:
    """A new key and its token, which cannot be had again. It holds for `days`, or until revoked."""
    at = clock.read(session)
    key_id = ids.KEY.new()
    ulid = key_id.removeprefix(ids.KEY.prefix)
    token = f"plateau_{ulid}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = ApiKey(
        id=key_id,
        owner=owner,
        name=name,
        sha256=_hash(token),
        scopes=[scope for scope in SCOPES if scope in set(scopes)],
        created_at=at,
        expires_at=None if days is None else at + timedelta(days=days),
    )
    session.add(key)
    session.flush()
    return key, token


def check_form(token: str) -> str:
    """The id of the key that `token` would be of. Raises Unauthorized for what is no token."""
    form = _TOKEN.fullmatch(token)
    if form is None:
        raise Unauthorized(f"This is no token of a key: {_NEW}.", "invalid_token")
    return ids.KEY.prefix + form[1]


def find(session: Session, token: str) -> ApiKey:
    """The key that `token` stands for. Raises Unauthorized when there is none, or it has ended."""
    key_id = check_form(token)
    row = session.exec(select(ApiKey, now()).where(ApiKey.id == key_id)).first()
    if row is None or not hmac.compare_digest(row[0].sha256, _hash(token)):
        raise Unauthorized(_UNKNOWN, "invalid_token")
    match state(*row):
        case "revoked":
            raise Unauthorized(_UNKNOWN, "invalid_token")
        case "expired":
            told = f"The key expired at {row[0].expires_at}: {_NEW}."
            raise Unauthorized(told, "invalid_token")
    return row[0]


def ended(session: Session, key_ids: Collection[str]) -> set[str]:
    """Those of the keys that hold no longer, or are gone."""
    hold = select(ApiKey.id).where(
        col(ApiKey.id).in_(key_ids),
        col(ApiKey.revoked_at).is_(None),
        or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now()),
    )
    return set(key_ids) - set(session.exec(hold).all())


def listed(session: Session) -> Sequence[ApiKey]:
    """All keys that ever were, oldest first."""
    return session.exec(select(ApiKey).order_by(col(ApiKey.id))).all()


def revoke(session: Session, key_id: str) -> ApiKey:
    """End a key for good; again, it changes nothing. Raises NotFound."""
    session.execute(
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now())
    )
    key = session.get(ApiKey, key_id)
    if key is None:
        raise NotFound(f"There is no key {key_id}: python -m api.keys list shows them.")
    return key


def state(key: ApiKey, at: datetime) -> Literal["active", "expired", "revoked"]:
    """What has become of `key` by the time `at`."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= at else "active"


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
