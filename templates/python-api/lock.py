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
CONDITIONS = {("sqlite", "postgres"): "store!=none", ("postgres",): "store=postgres", ("sqlite",): "store=sqlite"}


def rendered(text: str, store: str | None) -> str:
    """The file as it is with a store, or with all that any has."""
    lines, kept = [], [True]
    for line in text.splitlines():
        if match := re.fullmatch(r"\s*# msctl:if store(!?=)(\S+)", line):
            equal = store in match[2].split("|")
            kept.append(kept[-1] and (store is None or equal == (match[1] == "=")))
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
        users: dict[str, list[str]] = {}
        for store in STORES:
            for name in resolve(tomllib.loads(rendered(text, store))["project"]["dependencies"], "--constraints", constraints.name):
                users.setdefault(name, []).append(store)
        for_dev = resolve(whole["dependency-groups"]["dev"], "--constraints", constraints.name)

    lines = []
    for name in sorted(users):
        if users[name] == STORES:
            lines.append(full[name])
        else:
            lines.append(f"# msctl:if {CONDITIONS[tuple(users[name])]}\n{full[name]}# msctl:end\n")
    runtime.write_text("".join(lines))
    # What is in requirements.txt with some stores only has to be here with the others.
    dev_lines = []
    for name in sorted(for_dev):
        if name not in users:
            dev_lines.append(full[name])
        elif users[name] != STORES:
            without = [store for store in STORES if store not in users[name]]
            dev_lines.append(f"# msctl:if store={'|'.join(without)}\n{full[name]}# msctl:end\n")
    dev.write_text("".join(dev_lines))


main()
