from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import sqlalchemy as sa
from alembic import command

from acme_widgets.config import Config
from acme_widgets.database import Store, alembic_config
from tests.service import Service


def test_all_who_start_at_once_find_the_migrations_applied(database: dict[str, str]) -> None:
    with ExitStack() as running, ThreadPoolExecutor() as starters:
        starts = [starters.submit(Service, **database) for _ in range(3)]
        for start in starts:
            service = running.enter_context(start.result())
            assert service.client.get("/readyz").status_code == 200


def test_rows_are_what_the_migrations_make(settings: Config) -> None:
    with closing(Store(settings)) as store:
        store.migrate()
        with store.engine.connect() as connection:
            command.check(alembic_config(connection))


def test_it_is_ready_once_it_is_migrated(settings: Config) -> None:
    with closing(Store(settings)) as store:
        assert not store.ready()
        store.migrate()
        assert store.ready()
        with store.engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE alembic_version"))
        assert not store.ready()
