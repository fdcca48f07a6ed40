"""Makes .venv, with what the lock names; at once when it is there already.

With uv where there is one, else with Python's own venv and pip. VENV is where
to make it; --no-dev leaves out what only tests and linters need.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

ROOT = Path(__file__).resolve().parent.parent
LEAST = (3, 11)


def main(arguments: list[str]) -> int:
    if sys.version_info < LEAST:
        print(f"want Python {LEAST[0]}.{LEAST[1]} or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    with alone():
        return setup(no_dev="--no-dev" in arguments)


@contextmanager
def alone() -> Iterator[None]:
    """Wait for whoever runs this already: msctl up does, and you may."""
    with (ROOT / "requirements.txt").open() as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def setup(*, no_dev: bool) -> int:
    folder = Path(os.environ.get("VENV") or ROOT / ".venv")
    runtime, whole = [ROOT / "requirements.txt"], [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    stamp = folder / "locked"
    made = stamp.read_text() if stamp.exists() else ""
    if made == digest(whole) or (no_dev and made == digest(runtime)):
        return 0
    locks = runtime if no_dev else whole
    stamp.unlink(missing_ok=True)  # what is cut short is begun again
    install(folder, locks)
    stamp.write_text(digest(locks))
    return 0


def digest(locks: list[Path]) -> str:
    return hashlib.sha256(sys.version.encode() + b"".join(lock.read_bytes() for lock in locks)).hexdigest()


def install(folder: Path, locks: list[Path]) -> None:
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)], check=True)
        sync = [uv, "pip", "sync", "--compile-bytecode", "--require-hashes", "--python", python]
        subprocess.run([*sync, *map(str, locks)], check=True)
        return
    print(f"pip installs what {' and '.join(lock.name for lock in locks)} lock; uv would be faster", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes"]
    subprocess.run([*pip, *(f"--requirement={lock}" for lock in locks)], check=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as err:
        sys.exit(err.returncode or 1)  # it has said why
