"""Pages of lists: what is asked for, and what is answered."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Limit = Annotated[int, Field(ge=1, le=100, description="items a page")]
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Go on with `after` = the last item's id (of events: seq) while `has_more`."""

    # OpenAPI has a schema for each kind of item, and those have no docstring.
    model_config = ConfigDict(
        json_schema_extra={"description": "Go on with `after` = the last one while `has_more`."}
    )

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
