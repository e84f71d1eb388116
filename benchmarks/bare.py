"""The least that FastAPI and SQLModel need to store a job and give it back: what a tutorial has.

`python -m benchmarks.bare FILE PORT` serves it; `benchmarks.api` measures it beside the API.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import JSON, Column, Engine, create_engine, event
from sqlmodel import Field, Session, SQLModel

from contract.store.sqlite import DRIVER


class BareJob(SQLModel, table=True):
    id: str = Field(default_factory=lambda: uuid4().hex, primary_key=True)
    name: str
    spec: dict[str, Any] = Field(sa_column=Column(JSON))
    status: str = "queued"
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def create_app(engine: Engine) -> FastAPI:
    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    Opened = Annotated[Session, Depends(session)]
    app = FastAPI()

    @app.post("/jobs", status_code=202)
    def create(spec: dict[str, Any], session: Opened) -> BareJob:
        job = BareJob(name=spec["name"], spec=spec)
        session.add(job)
        session.commit()
        session.refresh(job)
        return job

    @app.get("/jobs/{job_id}")
    def get(job_id: str, session: Opened) -> BareJob:
        job = session.get(BareJob, job_id)
        if job is None:
            raise HTTPException(404)
        return job

    return app


def main() -> None:
    file, port = sys.argv[1:]
    engine = create_engine(f"sqlite:///{file}", module=DRIVER)
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA journal_mode=WAL"))
    BareJob.__table__.create(engine, checkfirst=True)  # type: ignore[attr-defined]
    uvicorn.run(create_app(engine), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
