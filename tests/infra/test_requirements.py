"""A job's own packages: installed by pip from a lock with hashes, for Lambda's machine and not for this one."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.layer import bundled_folder
from infra.package import Packages
from infra.requirements import Requirements
from mapfold.job import load_job

Wheel = Callable[[str], str]

JOB = '''
"""A job with packages of its own."""

from mapfold import Job, Manifest

job = Job("weights", source=Manifest(), requirements="weights.lock")


@job.map
def weigh(item, context):
    import scales

    return scales.KILOGRAMS


@job.fold
def add(one, other):
    return one + other
'''


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    """Put the wheel of a package `scales` for a platform into the folder of wheels; gives its line in a lock."""

    def build(platform: str) -> str:
        name = f"scales-1.0-cp313-cp313-{platform}.whl" if platform != "any" else "scales-1.0-py3-none-any.whl"
        path = tmp_path / "wheels" / name
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("scales/__init__.py", f"KILOGRAMS = 1\nPLATFORM = {platform!r}\n")
            archive.writestr("scales-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: scales\nVersion: 1.0\n")
            tag = name.removeprefix("scales-1.0-").removesuffix(".whl")
            archive.writestr("scales-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr("scales-1.0.dist-info/RECORD", "")
        return f"scales==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"

    return build


@pytest.fixture
def requirements(tmp_path: Path) -> Requirements:
    """pip, with a folder of wheels and no index."""
    places = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    return Requirements(tmp_path / "build", {**os.environ, **places})


@pytest.mark.parametrize("platform", ["manylinux2014_aarch64", "manylinux_2_28_aarch64", "any"])
def test_wheels_are_those_of_lambdas_machine(wheel: Wheel, requirements: Requirements, platform: str) -> None:
    """Python 3.13 on arm64 Linux, whatever runs here."""
    folder = requirements.installed(wheel(platform), at="jobs/weights.lock")

    assert (folder / "scales" / "__init__.py").read_text() == f"KILOGRAMS = 1\nPLATFORM = {platform!r}\n"


@pytest.mark.parametrize(
    ("platform", "change"),
    [("manylinux2014_x86_64", ""), ("macosx_11_0_arm64", ""), ("any", "==1.0"), ("any", "sha256:")],
)
def test_what_cannot_run_there_or_is_not_pinned_is_refused(
    wheel: Wheel, requirements: Requirements, platform: str, change: str
) -> None:
    """A wheel of another machine, a package without a version, a hash that is another's."""
    line = wheel(platform)
    line = line.replace(change, "" if change == "==1.0" else f"{change}0") if change else line

    with pytest.raises(ConfigurationError) as raised:
        requirements.installed(line, at="jobs/weights.lock, of job 'weights'")

    said = str(raised.value)
    assert said.startswith("jobs/weights.lock, of job 'weights': pip cannot install it: ERROR: ")
    assert said.endswith("It must name wheels for Python 3.13 on aarch64 Linux, each with its version and hashes.")


def test_a_lock_is_installed_once(wheel: Wheel, requirements: Requirements, tmp_path: Path) -> None:
    """The second synth finds the folder, though the wheels are gone."""
    line = wheel("any")
    folder = requirements.installed(line, at="")
    next((tmp_path / "wheels").iterdir()).unlink()

    assert requirements.installed(line, at="") == folder


def test_a_jobs_packages_are_in_the_packages_of_the_functions_that_load_it(
    wheel: Wheel, requirements: Requirements, tmp_path: Path
) -> None:
    """They lie beside `mapfold`, where Python finds them. Close does not load the job."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "weights.py").write_text(JOB)
    (jobs / "weights.lock").write_text(wheel("manylinux2014_aarch64"))
    packages = Packages(jobs, requirements, build=tmp_path / "build")

    work, close = (packages.of_job(load_job(jobs, "weights"), handler) for handler in ("work", "close"))

    assert (work / "scales" / "__init__.py").is_file()
    assert (work / "jobs" / "weights.py").is_file()
    assert not (close / "scales").exists()


def test_the_bundled_layer_names_what_the_handlers_import(requirements: Requirements) -> None:
    """Each package of it is pinned in the lock with hashes; with no index pip gets as far as looking for the first."""
    with pytest.raises(
        ConfigurationError, match=r"requirements\.lock: pip cannot install it: .*No matching distribution"
    ):
        bundled_folder(requirements)
