"""An empty database for each test that wants one."""

# msctl:if store=postgres
import os
import secrets
# msctl:end
from collections.abc import Iterator
from contextlib import contextmanager
# msctl:if store=sqlite
from tempfile import TemporaryDirectory
# msctl:end
# msctl:if store=postgres

import psycopg
import pytest
# msctl:end
# msctl:if store=none


@contextmanager
def empty_database() -> Iterator[dict[str, str]]:
    """What the environment has to say of it: nothing, rows are kept in memory."""
    yield {}
# msctl:end
# msctl:if store=sqlite


@contextmanager
def empty_database() -> Iterator[dict[str, str]]:
    """What the environment has to say of it."""
    with TemporaryDirectory() as folder:
        yield {"DATABASE_URL": f"sqlite:{folder}/test.db"}
# msctl:end
# msctl:if store=postgres


@contextmanager
def empty_database() -> Iterator[dict[str, str]]:
    """What the environment has to say of a schema of the database that TEST_DATABASE_URL leads to."""
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        pytest.skip("TEST_DATABASE_URL leads to no PostgreSQL")
    schema = "test_" + secrets.token_hex(8)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            yield {"DATABASE_URL": f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"}
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
# msctl:end
