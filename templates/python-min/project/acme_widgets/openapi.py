"""The OpenAPI document, made of the resources."""

from typing import Any

from acme_widgets.fields import SCHEMAS
from acme_widgets.resource import DEFAULT_LIMIT, MAX_LIMIT, Resource

JSON = "application/json"


def document(service: str, version: str, resources: list[Resource]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _problem()}
    for resource in resources:
        _describe(resource, paths, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": service, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _describe(resource: Resource, paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    name = "".join(word.capitalize() for word in resource.name.split())
    tags = [resource.plural]
    written = {field: SCHEMAS[check] for field, check in resource.fields.items()}
    own = {
        "id": {"type": "integer", "format": "int64"},
        **written,
        "created_at": {"type": "string", "format": "date-time"},
        "updated_at": {"type": "string", "format": "date-time"},
    }
    schemas[name] = {"type": "object", "required": list(own), "properties": own}
    schemas[name + "Input"] = {
        "type": "object",
        "required": list(written),
        "properties": written,
        "additionalProperties": False,
    }
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {"items": {"type": "array", "items": _ref(name)}, "next": {"type": ["string", "null"]}},
    }
    body = {"required": True, "content": {JSON: {"schema": _ref(name + "Input")}}}
    one = _answer("the " + resource.name, _ref(name))
    id = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "format": "int64", "minimum": 0}}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    paths[resource.path] = {
        "get": {
            "tags": tags,
            "operationId": "list" + name,
            "parameters": [
                {"name": "limit", "in": "query", "schema": limit},
                {"name": "cursor", "in": "query", "schema": {"type": "string"}},
            ],
            "responses": {"200": _answer("a page", page), **_problems(422)},
        },
        "post": {
            "tags": tags,
            "operationId": "create" + name,
            "requestBody": body,
            "responses": {"201": one, **_problems(400, 413, 415, 422)},
        },
    }
    paths[resource.path + "/{id}"] = {
        "parameters": [id],
        "get": {"tags": tags, "operationId": "get" + name, "responses": {"200": one, **_problems(404)}},
        "put": {
            "tags": tags,
            "operationId": "replace" + name,
            "requestBody": body,
            "responses": {"200": one, **_problems(400, 404, 413, 415, 422)},
        },
        "delete": {
            "tags": tags,
            "operationId": "remove" + name,
            "responses": {"204": {"description": "it is gone"}, **_problems(404)},
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(s): _answer("what is wrong", _ref("Problem"), "application/problem+json") for s in statuses}


def _problem() -> dict[str, Any]:
    fault = {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request_id": {"type": "string"},
            "errors": {"type": "array", "items": fault},
        },
    }
