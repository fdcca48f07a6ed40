"""Errors as RFC 9457 has them."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from structlog.contextvars import get_contextvars

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """What is wrong with a field."""

    field: str
    message: str


class Problem(BaseModel):
    """An answer that says what is wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | None = None


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that can be problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def answer(
    status: int, detail: str, errors: list[Fault] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=get_contextvars().get("request_id", ""),
        errors=errors,
    )
    return JSONResponse(problem.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have all errors of app answered as problems."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, err: HTTPException) -> JSONResponse:
        details = {404: f"there is no path {request.url.path}", 405: f"the path does not take {request.method}"}
        is_told = err.detail != HTTPStatus(err.status_code).phrase
        detail = err.detail if is_told else details.get(err.status_code, err.detail)
        return answer(err.status_code, detail, headers=dict(err.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, err: RequestValidationError) -> JSONResponse:
        found = err.errors()
        if any(one["loc"][0] == "path" for one in found):
            return answer(404, f"there is no path {request.url.path}")
        faults = [Fault(field=".".join(map(str, one["loc"][1:])), message=one["msg"]) for one in found]
        return answer(422, "the request is not right", faults)


def schemas() -> dict[str, Any]:
    """What described refers to."""
    whole = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**whole.pop("$defs"), "Problem": whole}
