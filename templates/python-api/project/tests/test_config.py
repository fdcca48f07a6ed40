import os
import subprocess
import sys

import pytest

from acme_widgets import config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "loud"),
        ("SHUTDOWN_GRACE", "-1"),
        ("SHUTDOWN_DELAY", "nan"),
        # msctl:if store!=none
        ("DATABASE_URL", "mysql://me:secret@x"),
        # msctl:end
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(config.ConfigError, match=f"^{name}: want ") as caught:
        config.load()
    assert value not in str(caught.value).removeprefix(f"{name}: want ")


def test_the_service_does_not_start_with_one() -> None:
    command = [sys.executable, "-m", "acme_widgets"]
    run = subprocess.run(command, env={**os.environ, "PORT": "x"}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("PORT: want ")


def test_what_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("SERVICE_NAME", "other")
    settings = config.load()
    assert (settings.port, settings.instance_id) == (8000, "other")
