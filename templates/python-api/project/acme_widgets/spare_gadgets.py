"""Spare gadgets: what clients see of them, and their routes."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from acme_widgets import fields
from acme_widgets.body import JSONRoute
from acme_widgets.pages import Page, PageQuery, Record, page
from acme_widgets.problems import described
from acme_widgets.stored import Stored

from .spare_gadgets_row import SpareGadgetRow

router = APIRouter(prefix="/spare-gadgets", tags=["spare gadgets"], route_class=JSONRoute)


class SpareGadgetFields(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    # msctl:fields
    # msctl:field string
    title: fields.String
    # msctl:field text
    notes: fields.Text
    # msctl:field int
    stock: fields.Integer
    # msctl:field decimal
    price: fields.Exact
    # msctl:field bool
    active: fields.Boolean
    # msctl:field datetime
    released_at: fields.Moment
    # msctl:end


class SpareGadgetInput(SpareGadgetFields):
    model_config = ConfigDict(extra="forbid")


class SpareGadget(SpareGadgetFields, Record):
    pass


@router.get("", operation_id="listSpareGadget", responses=described(422))
def list_page(query: Annotated[PageQuery, Query()], store: Stored) -> Page[SpareGadget]:
    return page(SpareGadget, store.page(SpareGadgetRow, query.cursor, query.limit + 1), query.limit)


@router.post("", status_code=201, operation_id="createSpareGadget", responses=described(400, 413, 415, 422))
def create(values: SpareGadgetInput, store: Stored, response: Response) -> SpareGadget:
    row = store.add(SpareGadgetRow(**values.model_dump()))
    response.headers["Location"] = f"{router.prefix}/{row.id}"
    return SpareGadget.model_validate(row)


@router.get("/{id}", operation_id="getSpareGadget", responses=described(404))
def get(id: fields.ID, store: Stored) -> SpareGadget:
    return _found(store.get(SpareGadgetRow, id), id)


@router.put("/{id}", operation_id="replaceSpareGadget", responses=described(400, 404, 413, 415, 422))
def replace(id: fields.ID, values: SpareGadgetInput, store: Stored) -> SpareGadget:
    return _found(store.replace(SpareGadgetRow, id, values.model_dump()), id)


@router.delete("/{id}", status_code=204, operation_id="removeSpareGadget", responses=described(404))
def remove(id: fields.ID, store: Stored) -> None:
    if not store.remove(SpareGadgetRow, id):
        _found(None, id)


def _found(row: SpareGadgetRow | None, id: int) -> SpareGadget:
    if row is None:
        raise HTTPException(404, f"there is no spare gadget {id}")
    return SpareGadget.model_validate(row)
