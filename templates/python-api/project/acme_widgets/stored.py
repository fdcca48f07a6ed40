"""The store, for what answers requests."""

from typing import Annotated

from fastapi import Depends, Request

from acme_widgets.database import Store


async def store(request: Request) -> Store:
    found: Store = request.app.state.store
    return found


Stored = Annotated[Store, Depends(store)]
