"""What the environment says."""

from typing import Literal

from pydantic import (
    Field,
    ValidationError,
    # msctl:if store!=none
    field_validator,
    # msctl:end
    model_validator,
)
# msctl:if store!=none
from pydantic_core import PydanticCustomError
# msctl:end
from pydantic_settings import BaseSettings, SettingsConfigDict
# msctl:if store=sqlite

WANT_URL = "sqlite: and a path"
# msctl:end
# msctl:if store=postgres

WANT_URL = "postgres://user@host/name"
# msctl:end


class ConfigError(Exception):
    """A variable has a value that it cannot have."""


class Config(BaseSettings):
    """Each field is the variable of its name in capitals; one that is empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    service_name: str = "acme-widgets"
    service_version: str = "0.1.0"
    instance_id: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # msctl:if store=sqlite
    database_url: str = "sqlite:data/acme-widgets.db"
    # msctl:end
    # msctl:if store=postgres
    database_url: str = Field("postgres://localhost/acme-widgets", repr=False)
    # msctl:end
    shutdown_grace: float = Field(10, ge=0, le=3600, allow_inf_nan=False)
    shutdown_delay: float = Field(0, ge=0, le=3600, allow_inf_nan=False)
    otel_exporter_otlp_endpoint: str = ""

    @model_validator(mode="before")
    @classmethod
    def _name_the_instance(cls, values: dict[str, object]) -> dict[str, object]:
        name = values.get("service_name", cls.model_fields["service_name"].default)
        return {"instance_id": name, **values}
    # msctl:if store!=none

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: str) -> str:
        """The URL in SQLAlchemy's form."""
        scheme, _, rest = url.partition(":")
        # msctl:if store=sqlite
        if scheme == "sqlite" and rest.strip("/"):
            return "sqlite:////" + rest.lstrip("/") if rest.startswith("/") else "sqlite:///" + rest
        # msctl:end
        # msctl:if store=postgres
        if scheme in ("postgres", "postgresql") and rest.startswith("//"):
            return "postgresql+psycopg:" + rest
        # msctl:end
        raise PydanticCustomError("url", "want {want}", {"want": WANT_URL})
    # msctl:end


def load() -> Config:
    try:
        return Config()
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{name}: {first['msg'].replace('Input should be', 'want')}") from None
