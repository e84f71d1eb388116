"""`python -m api.keys`: makes, lists and revokes the keys of the API."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlmodel import Session

from api.auth import tokens
from api.auth.tokens import SCOPES, Scope
from contract import ids
from contract.errors import NotFound
from contract.settings import read_settings
from contract.store import clock
from contract.store.database import Database
from contract.store.revision import OtherSchema
from contract.store.tables import ApiKey

_OWNER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_MAX_NAME = 100
_MAX_DAYS = 36_500


def main() -> None:
    """Exits with 0; 1 when it cannot be done; 2 when the command makes no sense."""
    wanted = _parser().parse_args()
    url = read_settings().database_url
    shown = make_url(url).render_as_string(hide_password=True)
    wanted.database = shown
    try:
        with _writing(url) as session:
            said = wanted.run(session, wanted)
    except NotFound as fault:
        sys.exit(str(fault))
    except (OtherSchema, SQLAlchemyError, OSError, ValueError) as fault:
        told = (
            f"the database does not answer: {fault.orig}"
            if isinstance(fault, OperationalError)
            else fault
        )
        sys.exit(
            f"{shown}: {told}. The database is named by PLATEAU_DATABASE_URL, or lies in "
            "PLATEAU_VAR_DIR: set them here as the server has them."
        )
    print(said)


@contextmanager
def _writing(url: str) -> Iterator[Session]:
    database = Database(url)
    try:
        with database.writing() as session:
            yield session
    finally:
        database.dispose()


def _create(session: Session, wanted: argparse.Namespace) -> str:
    key, token = tokens.create(
        session, wanted.owner, name=wanted.name, scopes=wanted.scopes, days=wanted.days
    )
    if wanted.json:
        return json.dumps({**_told(key, key.created_at), "token": token})
    until = f"until {_time(key.expires_at)}" if key.expires_at else "until it is revoked"
    _note(f"{key.id} of {key.owner} may {', '.join(key.scopes)}, {until}.")
    _note("Its token is shown only now; send it as Authorization: Bearer TOKEN.")
    return token


def _list(session: Session, wanted: argparse.Namespace) -> str:
    at = clock.read(session)
    told = [_told(key, at) for key in tokens.listed(session)]
    if wanted.json:
        return json.dumps(told)
    if not told:
        _note(
            f"There are no keys yet in {wanted.database}: python -m api.keys create --owner NAME "
            "makes one. Is that the server's database?"
        )
    columns = ("id", "owner", "state", "scopes", "created_at", "expires_at", "name")
    return _table(columns, ([_cell(key[name]) for name in columns] for key in told))


def _revoke(session: Session, wanted: argparse.Namespace) -> str:
    key = tokens.revoke(session, wanted.id)
    if wanted.json:
        return json.dumps(_told(key, clock.read(session)))
    return f"{key.id} of {key.owner} holds no more, since {_time(key.revoked_at)}."


def _told(key: ApiKey, at: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "object": "key",
        "owner": key.owner,
        "name": key.name,
        "scopes": key.scopes,
        "state": tokens.state(key, at),
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value or "-")


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _note(text: str) -> None:
    """For people: what a script reads is on the standard output alone."""
    print(text, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api.keys",
        description="The keys of the API, in the database of PLATEAU_DATABASE_URL.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = _command(commands, "create", _create, "make a key, and show its token once")
    create.add_argument(
        "--owner", required=True, type=_owner, help="whose jobs and datasets it opens"
    )
    create.add_argument("--name", default="", type=_name, help="to recognise the key by")
    create.add_argument(
        "--scopes",
        default=["read", "submit"],
        type=_scopes,
        help=f"of {', '.join(SCOPES)}, separated by commas (read,submit by default); each "
        "implies those before it",
    )
    create.add_argument("--days", type=_days, help="how long it holds; for ever by default")
    _command(commands, "list", _list, "show all keys, without their tokens")
    revoke = _command(commands, "revoke", _revoke, "end a key for good")
    revoke.add_argument("id", type=_key_id, metavar="ID", help="of the key, as list shows it")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[Session, argparse.Namespace], str], about: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)
    return command


def _owner(text: str) -> str:
    if _OWNER.fullmatch(text):
        return text
    raise _expected("up to 64 letters, digits and . _ @ -", text)


def _name(text: str) -> str:
    if len(text) <= _MAX_NAME and text.isprintable():
        return text
    raise _expected(f"up to {_MAX_NAME} printable characters", text)


def _scopes(text: str) -> list[Scope]:
    given = [part.strip() for part in text.split(",")]
    if set(given) <= set(SCOPES):
        return [scope for scope in SCOPES if scope in given]
    raise _expected(f"some of {', '.join(SCOPES)}, separated by commas", text)


def _days(text: str) -> int:
    if text.isdecimal() and 1 <= int(text[:9]) <= _MAX_DAYS:
        return int(text)
    raise _expected(f"a whole number from 1 to {_MAX_DAYS:,}", text)


def _key_id(text: str) -> str:
    if ids.KEY.fits(text):
        return text
    # What was given may be a token: it is not said again.
    raise argparse.ArgumentTypeError("expected an id, key_..., as list shows it")


def _expected(what: str, received: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {what}; received {received[:100]!r}")
