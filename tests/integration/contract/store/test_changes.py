"""Whether something was committed: never missed, by whatever process, and soon asked again."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from contract.store.commit_marker import Changes
from contract.store.database import Database
from tests import jobs


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def test_the_state_is_the_same_while_nothing_is_committed(database: Database) -> None:
    id_ = jobs.submit(database)
    state = database.changes.state()
    assert state is not None
    for _ in range(3):
        jobs.stored(database, id_)
        assert database.changes.state() == state


def test_each_commit_changes_the_state(database: Database) -> None:
    """Whoever made it: this database's own connections, or another's."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    states = [database.changes.state()]
    for writer in (database, other, database, other):
        jobs.submit(writer)
        states.append(database.changes.state())
    other.dispose()
    assert None not in states
    assert len(set(states)) == len(states)


def test_what_is_not_committed_is_not_seen(database: Database) -> None:
    """The state is the same as long as a look would find the same, and another one after."""
    before = jobs.submit(database)
    with database.writing() as session:
        session.execute(text("UPDATE jobs SET name = 'renamed'"))
        state = database.changes.state()
        assert jobs.stored(database, before).name != "renamed"
        assert database.changes.state() == state
    assert database.changes.state() != state
    assert jobs.stored(database, before).name == "renamed"


def test_a_connection_that_was_lost_is_opened_again(database: Database) -> None:
    state = database.changes.state()
    database.changes._connection.close()
    assert database.changes.state() is None
    assert database.changes.state() not in (None, state)


def test_a_database_that_is_away_has_no_state() -> None:
    """And whoever asks next does not wait for it too."""
    nowhere = Database("postgresql+psycopg://plateau@127.0.0.1:1/nowhere")
    attempts: list[Any] = []
    event.listen(nowhere.engine, "do_connect", lambda *given: attempts.append(given))
    changes = Changes(nowhere.engine)
    assert [changes.state(), changes.state()] == [None, None]
    assert len(attempts) == 1
