from collections.abc import Iterator

import pytest

from acme_widgets import config
from tests.database import empty_database
from tests.service import Service


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    with empty_database() as env:
        yield env


@pytest.fixture
def settings(database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> config.Config:
    for name, value in database.items():
        monkeypatch.setenv(name, value)
    return config.load()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One that all tests share which do not end it."""
    with empty_database() as env, Service(**env) as running:
        yield running
