"""Packages that a job needs beside the runtime's, installed by pip for the machine that Lambda runs on: arm64 Linux."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.errors import ConfigurationError, Finding
from mapfold.job import Job

PYTHON_VERSION = "3.13"
_PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64")
"""What runs on Amazon Linux 2023, which Lambda's Python 3.13 stands on: glibc 2.34."""


class Requirements:
    """Installs lock files under `build`, each once. `environment` is pip's: it may say where packages come from."""

    def __init__(self, build: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = build / "requirements"
        self._environment = dict(environment)

    def of_job(self, job: Job) -> Path | None:
        """A folder with what the job's lock file names; None if the job has none."""
        lock = job.requirements
        if lock is None:
            return None
        path = Path(job.file).parent / lock
        at = f"{path.parent.name}/{path.name}, of job {job.name!r}"
        if not path.is_file():
            fix = "Write it: `uv pip compile --generate-hashes --python-version 3.13`, or remove `requirements`"
            raise ConfigurationError([Finding(at, "there is no such file", fix)])
        return self.installed(path.read_text(), at=at)

    def installed(self, lock: str, *, at: str, options: Sequence[str] = (), under: str = ".") -> Path:
        """A folder with the packages of a lock file's text, in its subfolder `under`.

        ConfigurationError, in pip's words, if pip refuses.
        """
        digest = hashlib.sha256("\0".join([lock, under, *options, PYTHON_VERSION, *_PLATFORMS]).encode()).hexdigest()[
            :16
        ]
        folder = self._folder / digest
        if folder.is_dir():
            return folder
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".making-") as aside:
            target = Path(aside) / "target"
            file = Path(aside) / "requirements.lock"
            file.write_text(lock)
            self._install(file, target / under, at=at, options=options)
            try:
                target.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another command was first
                    raise
        return folder

    def _install(self, file: Path, target: Path, *, at: str, options: Sequence[str]) -> None:
        platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
            *("--only-binary=:all:", "--require-hashes", "--python-version", PYTHON_VERSION, "--implementation", "cp"),
            *(*platforms, *options, "--target", str(target), "-r", str(file)),
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=self._environment)
        if done.returncode:
            said = " ".join(done.stderr.replace(str(file), file.name).split()) or "pip said nothing"
            fix = f"It must name wheels for Python {PYTHON_VERSION} on aarch64 Linux, each with its version and hashes"
            raise ConfigurationError([Finding(at, f"pip cannot install it: {said}", fix)])
        shutil.rmtree(target / "bin", ignore_errors=True)  # commands: nothing calls them, and they name this machine
