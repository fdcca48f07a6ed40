"""The database: its rows, its migrations, and what is done with it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from acme_widgets.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"

Integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Exact(sa.TypeDecorator[Decimal]):
    """A decimal without rounding; SQLite, which has none, keeps its text."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else sa.Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Moment(sa.TypeDecorator[datetime]):
    """A time in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Row(DeclarativeBase):
    type_annotation_map = {bool: sa.Boolean, datetime: Moment, Decimal: Exact, int: Integer, str: sa.Text}  # noqa: RUF012
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now, sort_order=1)
    updated_at: Mapped[datetime] = mapped_column(default=now, sort_order=1)


def alembic_config(connection: sa.Connection) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


R = TypeVar("R", bound=Row)


class Store:
    """Keeps rows by their id. Its methods may be called from any thread."""

    def __init__(self, config: Config) -> None:
        url = sa.make_url(config.database_url)
        # msctl:if store=sqlite
        Path(url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
        self.engine = sa.create_engine(url, connect_args={"timeout": 10})
        sa.event.listen(self.engine, "connect", _configure)
        sa.event.listen(self.engine, "begin", _begin)
        # A transaction that reads and then writes would fail where it cannot wait.
        writer = self.engine.execution_options(begin="IMMEDIATE")
        # msctl:end
        # msctl:if store=postgres
        self.engine = sa.create_engine(url, connect_args={"connect_timeout": 5}, pool_pre_ping=True, pool_timeout=10)
        writer = self.engine
        # msctl:end
        self._reading = sessionmaker(self.engine)
        self._writing = sessionmaker(writer, expire_on_commit=False)

    def migrate(self) -> None:
        """Apply the migrations that were not yet, each once: of several instances
        that start at the same time, one does it, and the others wait."""
        # msctl:if store=sqlite
        connect = self.engine.execution_options(begin="IMMEDIATE").connect
        # msctl:end
        # msctl:if store=postgres
        connect = self.engine.connect
        # msctl:end
        with connect() as connection, connection.begin():
            # msctl:if store=postgres
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
            # msctl:end
            command.upgrade(alembic_config(connection), "heads")

    def ready(self) -> bool:
        try:
            with self._reading() as session:
                session.execute(sa.text("SELECT 1 FROM alembic_version"))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()

    def page(self, row: type[R], after: int, limit: int) -> Sequence[R]:
        with self._reading() as session:
            return session.scalars(sa.select(row).where(row.id > after).order_by(row.id).limit(limit)).all()

    def get(self, row: type[R], id: int) -> R | None:
        with self._reading() as session:
            return session.get(row, id)

    def add(self, row: R) -> R:
        with self._writing.begin() as session:
            session.add(row)
        return row

    def replace(self, row: type[R], id: int, values: dict[str, Any]) -> R | None:
        with self._writing.begin() as session:
            found = session.get(row, id, with_for_update=True)
            if found is not None:
                for name, value in {**values, "updated_at": now()}.items():
                    setattr(found, name, value)
        return found

    def remove(self, row: type[R], id: int) -> bool:
        with self._writing.begin() as session:
            found = session.get(row, id, with_for_update=True)
            if found is not None:
                session.delete(found)
        return found is not None
# msctl:if store=sqlite


def _configure(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin as _begin says
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN " + connection.get_execution_options().get("begin", "DEFERRED"))
# msctl:end
