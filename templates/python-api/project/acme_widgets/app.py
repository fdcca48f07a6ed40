"""The service: what answers which path."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse
from prometheus_client import REGISTRY, generate_latest
from starlette.exceptions import HTTPException

from acme_widgets import problems
from acme_widgets.config import Config
from acme_widgets.database import Store
from acme_widgets.observe import Draining, Observe
from acme_widgets.resources import ROUTERS


def build(config: Config, store: Store, draining: Draining) -> FastAPI:
    app = FastAPI(title=config.service_name, version=config.service_version, redoc_url=None, redirect_slashes=False)
    app.state.store = store
    app.add_middleware(Observe, draining)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> dict[str, str]:
        if draining.begun:
            raise HTTPException(503, "it is about to end")
        if not store.ready():
            raise HTTPException(503, "the store does not answer")
        return {"status": "ready"}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(REGISTRY), media_type="text/plain; version=0.0.4")

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = app.openapi_schema.setdefault("components", {}).setdefault("schemas", {})
            schemas |= problems.schemas()
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
    return app
