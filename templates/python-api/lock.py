"""Writes the project's hashed requirements, with what an option needs between its marks. Needs uv.

    python3 templates/python-api/lock.py            # keeps the versions that are locked
    python3 templates/python-api/lock.py --upgrade
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

PROJECT = Path(__file__).parent / "project"
STORES = ["none", "sqlite", "postgres"]
CLIENTS = ["none", "http"]
WITH = {
    ("sqlite", "postgres"): "store!=none",
    ("postgres",): "store=postgres",
    ("sqlite",): "store=sqlite",
    ("http",): "client=http",
}
WITHOUT = {"store!=none": "store=none", "store=postgres": "store!=postgres", "store=sqlite": "store!=sqlite", "client=http": "client=none"}


def rendered(text: str, options: dict[str, str] | None) -> str:
    """The file as it is with the options, or with all parts."""
    lines, kept = [], [True]
    for line in text.splitlines():
        if match := re.fullmatch(r"\s*# msctl:if (\w+)(!?=)(\S+)", line):
            holds = options is None or (options[match[1]] in match[3].split("|")) == (match[2] == "=")
            kept.append(kept[-1] and holds)
        elif line.strip() == "# msctl:end":
            kept.pop()
        elif kept[-1]:
            lines.append(line)
    return "\n".join(lines) + "\n"


def resolve(names: list[str], *options: str) -> dict[str, str]:
    """What names need, each with its version, marker and hashes."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join(names))
        wanted.flush()
        out = subprocess.run(
            ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate",
             "--python-version", "3.11", *options, wanted.name],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    blocks = re.split(r"^(?=[a-z0-9])", out, flags=re.MULTILINE)[1:]
    return {re.match(r"[a-z0-9._-]+", block)[0]: block.rstrip() + "\n" for block in blocks}


def main() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    runtime, dev = PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt"
    whole = tomllib.loads(rendered(text, None))
    everything = [*whole["project"]["dependencies"], *whole["dependency-groups"]["dev"]]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        if "--upgrade" not in sys.argv and runtime.exists():
            locked = re.findall(r"^[a-z0-9._-]+==\S+(?: ; [^\\\n]*)?", runtime.read_text() + dev.read_text(), re.MULTILINE)
            constraints.write("\n".join(locked))
            constraints.flush()
        full = resolve(everything, "--constraints", constraints.name)
        constraints.seek(0)
        constraints.truncate()
        constraints.write("\n".join(block.partition(" \\\n")[0] for block in full.values()))
        constraints.flush()

        def needs(**options: str) -> set[str]:
            project = tomllib.loads(rendered(text, options))["project"]
            return set(resolve(project["dependencies"], "--constraints", constraints.name))

        by_store = {store: needs(store=store, client="none") for store in STORES}
        by_client = {client: needs(store="none", client=client) for client in CLIENTS}
        for_dev = resolve(whole["dependency-groups"]["dev"], "--constraints", constraints.name)

    always = by_store["none"]
    when = {}  # what some options need, and which
    for options in (by_store, by_client):
        for name in set().union(*options.values()) - always:
            assert name not in when, f"{name}: two options need it"
            when[name] = WITH[tuple(value for value in options if name in options[value])]

    def block(name: str, condition: str | None) -> str:
        return f"# msctl:if {condition}\n{full[name]}# msctl:end\n" if condition else full[name]

    runtime.write_text("".join(block(name, when.get(name)) for name in sorted(always | when.keys())))
    # What is in requirements.txt with some options only has to be here with the others.
    dev.write_text("".join(block(name, WITHOUT.get(when.get(name, ""))) for name in sorted(for_dev.keys() - always)))


main()
