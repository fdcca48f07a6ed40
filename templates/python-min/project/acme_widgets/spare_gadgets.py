"""Spare gadgets: their fields."""

from acme_widgets import fields
from acme_widgets.resource import Resource

spare_gadgets = Resource(
    "spare gadget",
    "spare gadgets",
    {
        # msctl:fields
        # msctl:field string
        "title": fields.string,
        # msctl:field text
        "notes": fields.text,
        # msctl:field int
        "stock": fields.integer,
        # msctl:field decimal
        "price": fields.decimal,
        # msctl:field bool
        "active": fields.boolean,
        # msctl:field datetime
        "released_at": fields.moment,
        # msctl:end
    },
)
