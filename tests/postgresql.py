"""A PostgreSQL server for tests: Debian's own, started on a private socket, without a port."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_PROGRAMS: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD: Final = "correct horse"

MISSING: Final = "" if _PROGRAMS else "Debian's package postgresql is not installed: apt-get install postgresql"
"""Why a test of PostgreSQL is skipped; empty if it is not."""


@contextmanager
def postgresql_server() -> Iterator[Path]:
    """Start a server that asks its user "analyst" for a password; yield the folder of its socket."""
    # PostgreSQL refuses to run as root, and other users may not enter the folders of pytest.
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="linkcore-pg-"))
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if user:
            for path in (folder, password):
                shutil.chown(path, **user)
        run: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"} | user
        programs, data = _PROGRAMS[-1], folder / "data"
        make: list[str | Path] = [
            "-D",
            data,
            "-U",
            "analyst",
            "-A",
            "scram-sha-256",
            f"--pwfile={password}",
            "-N",
            "-E",
            "UTF8",
        ]
        subprocess.run([programs / "initdb", *make, "--locale=C.UTF-8"], check=True, **run)
        settings = f"-k {folder} -c listen_addresses= -c fsync=off"
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", settings, "start"], check=True, **run
        )
        try:
            yield folder
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], check=True, **run)
    finally:
        shutil.rmtree(folder)
