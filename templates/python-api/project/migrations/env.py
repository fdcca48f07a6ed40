"""What Alembic runs to apply migrations, and to make new ones: alembic revision --autogenerate -m NAME."""

import sqlalchemy as sa
from alembic import context

import acme_widgets.resources  # noqa: F401 - rows are known once they are imported
from acme_widgets import config
from acme_widgets.database import Exact, Moment, Row


def render(kind: str, item: object, autogen: object) -> str | bool:
    """Types of ours stand in migrations as what they are in SQL."""
    return f"database.{type(item).__name__}()" if kind == "type" and isinstance(item, (Exact, Moment)) else False


def apply(connection: sa.Connection) -> None:
    context.configure(connection, target_metadata=Row.metadata, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    apply(given)
else:
    with sa.create_engine(config.load().database_url).begin() as connection:
        apply(connection)
