"""Spare gadgets as the database has them."""
# msctl:if fields=datetime|decimal

# msctl:end
# msctl:if fields=datetime
from datetime import datetime
# msctl:end
# msctl:if fields=decimal
from decimal import Decimal
# msctl:end

from sqlalchemy.orm import Mapped

from acme_widgets.database import Row


class SpareGadgetRow(Row):
    __tablename__ = "spare_gadgets"

    # msctl:fields
    # msctl:field string
    title: Mapped[str]
    # msctl:field text
    notes: Mapped[str]
    # msctl:field int
    stock: Mapped[int]
    # msctl:field decimal
    price: Mapped[Decimal]
    # msctl:field bool
    active: Mapped[bool]
    # msctl:field datetime
    released_at: Mapped[datetime]
    # msctl:end
