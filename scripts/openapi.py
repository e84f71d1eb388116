"""`make openapi`: writes docs/openapi.json, so that a change of the contract is seen in review."""

import json
from pathlib import Path

from api.app import create_app
from contract.settings import Settings

SNAPSHOT = Path(__file__).parents[1] / "docs" / "openapi.json"


def described() -> str:
    """The description as the API serves it, but sorted and in lines."""
    document = create_app(Settings()).openapi()
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(described(), "utf-8")
