"""`python -m migrations` upgrades the database of PLATEAU_DATABASE_URL."""

import sys

from alembic.util import CommandError
from sqlalchemy import make_url

from contract.environment import warn_of_unknown_settings
from contract.settings import read_settings
from migrations.upgrade import upgrade


def main() -> None:
    url = read_settings().database_url
    warn_of_unknown_settings()
    shown = make_url(url).render_as_string(hide_password=True)
    try:
        before, after = upgrade(url)
    except CommandError as error:
        sys.exit(f"{shown}: not changed. {error}. Is this version of Plateau older than the data?")
    if before == after:
        print(f"{shown} is at revision {after}: nothing to do")
    else:
        print(f"{shown} upgraded from {before or 'nothing'} to revision {after}")


if __name__ == "__main__":
    main()
