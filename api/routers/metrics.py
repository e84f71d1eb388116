"""Figures for Prometheus."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.callers import admin
from api.deps import AppDatabase, AppSettings
from api.metrics import Metrics

router = APIRouter(tags=["health"], dependencies=[Depends(admin)])


@router.get("/metrics", response_class=PlainTextResponse, responses={403: {}})
async def get_metrics(request: Request, database: AppDatabase, settings: AppSettings) -> Response:
    """Of the service and of this process, in Prometheus' text format; needs the scope admin."""
    metrics: Metrics = request.app.state.metrics
    text = await metrics.text(database, settings)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
