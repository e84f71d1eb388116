"""What the dataset routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from api.datasets.upload import Intake


async def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


AppIntake = Annotated[Intake, Depends(_intake)]
