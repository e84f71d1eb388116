"""What handlers of all routes may ask for: settings, database, artifact store.

A handler opens its session itself and closes it before it returns: what is answered is committed,
and no connection is held while a request waits for a thread. (Held by dependencies, connections
starve: FastAPI runs each dependency, the handler and the check of its answer in a thread each,
and 100 clients at once could take all threads to wait for the connections of the others.)
"""

from typing import Annotated

from fastapi import Depends, Request

from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _store(request: Request) -> ArtifactStore:
    store: ArtifactStore = request.app.state.store
    return store


AppSettings = Annotated[Settings, Depends(_settings)]
AppDatabase = Annotated[Database, Depends(_database)]
Store = Annotated[ArtifactStore, Depends(_store)]
