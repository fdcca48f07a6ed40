"""Spare gadgets."""

import sqlalchemy as sa
from alembic import op

from acme_widgets import database

revision = "0001"
down_revision = "0000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spare_gadgets",
        sa.Column("id", database.Integer, primary_key=True),
        # msctl:fields
        # msctl:field string
        sa.Column("title", sa.Text(), nullable=False),
        # msctl:field text
        sa.Column("notes", sa.Text(), nullable=False),
        # msctl:field int
        sa.Column("stock", database.Integer, nullable=False),
        # msctl:field decimal
        sa.Column("price", database.Exact(), nullable=False),
        # msctl:field bool
        sa.Column("active", sa.Boolean(), nullable=False),
        # msctl:field datetime
        sa.Column("released_at", database.Moment(), nullable=False),
        # msctl:end
        sa.Column("created_at", database.Moment(), nullable=False),
        sa.Column("updated_at", database.Moment(), nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("spare_gadgets")
