"""Figures for Prometheus."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.auth.caller import admin
from api.dependencies import AppDatabase, AppSettings
from api.http.request_metrics import RequestMetrics
from api.service.prometheus import DatabaseMetrics

router = APIRouter(tags=["health"], dependencies=[Depends(admin)])


@router.get("/metrics", response_class=PlainTextResponse, responses={403: {}})
async def get_metrics(request: Request, database: AppDatabase, settings: AppSettings) -> Response:
    """Of the service and of this process, in Prometheus' text format; needs the scope admin."""
    requests: RequestMetrics = request.app.state.request_metrics
    service: DatabaseMetrics = request.app.state.database_metrics
    text = requests.text() + await service.text(database, settings)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
