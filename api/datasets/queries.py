"""What the dataset routes read."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from sqlmodel import Session, col, select

from api.http.pages import Limit
from contract.experiment.datasets import CATALOGUE, AnyDatasetName
from contract.store.tables import Dataset


class DatasetPage(BaseModel):
    kind: Annotated[
        Literal["upload", "catalogue"] | None, Field(description="only uploads, or none")
    ] = None
    after: Annotated[
        AnyDatasetName | None, Field(description="id of the previous page's last dataset")
    ] = None
    limit: Limit = 20


def uploads(session: Session, owner: str, page: DatasetPage) -> Sequence[Dataset]:
    """Newest first, and one more than the page takes where there are more."""
    if page.kind == "catalogue" or page.after in CATALOGUE:
        return []
    statement = select(Dataset).where(Dataset.owner == owner).order_by(col(Dataset.id).desc())
    if page.after:
        statement = statement.where(Dataset.id < page.after)
    return session.exec(statement.limit(page.limit + 1)).all()
