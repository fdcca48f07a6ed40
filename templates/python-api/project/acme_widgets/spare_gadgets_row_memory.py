"""Spare gadgets as they are kept in memory."""

from dataclasses import dataclass
# msctl:if fields=datetime
from datetime import datetime
# msctl:end
# msctl:if fields=decimal
from decimal import Decimal
# msctl:end

from acme_widgets.database import Row


@dataclass(kw_only=True)
class SpareGadgetRow(Row):
    # msctl:fields
    # msctl:field string
    title: str
    # msctl:field text
    notes: str
    # msctl:field int
    stock: int
    # msctl:field decimal
    price: Decimal
    # msctl:field bool
    active: bool
    # msctl:field datetime
    released_at: datetime
    # msctl:end
