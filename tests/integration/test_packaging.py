"""The published distributions: an sdist that a wheel can be built from, and a wheel that holds everything."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile

import pytest

from tests.venvs import ROOT, UV, clean_environ

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run([UV, "build", "--quiet", "--sdist", "--out-dir", folder, ROOT], check=True, env=clean_environ())
    (file,) = folder.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, sdist], check=True, env=clean_environ())
    (file,) = folder.glob("*.whl")
    return file


def _tracked(folder):
    """Return the files of a folder that git knows, or would know."""
    listed = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", folder]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return {name for name in names if (ROOT / name).exists()}


def test_sdist_holds_the_sources_their_build_hook_and_their_tests(sdist):
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {".hatch/compile.py", "Makefile", "LICENSE", "README.md", "pyproject.toml"} <= held
    for folder in ("otel_fe", "collector_config", "examples", "tests"):
        assert not _tracked(folder) - held


def test_wheel_built_from_the_sdist_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())

    assert not _tracked("otel_fe") - held
    compiled = {name.split(".")[0] for name in held if name.endswith(".so")}
    assert compiled == {name.removesuffix(".pyx") for name in _tracked("otel_fe") if name.endswith(".pyx")}


def test_wheel_installs_and_runs_without_the_sources(wheel, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", tmp_path / "venv"], check=True, env=clean_environ())
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, wheel], check=True, env=clean_environ())
    source = "import otel_fe; from otel_fe import compiled; print(otel_fe.__file__, compiled.backend is not None)"

    done = subprocess.run([python, "-I", "-c", source], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.startswith(str(tmp_path))
    assert done.stdout.split()[-1] == "True"
    version = subprocess.run([python.with_name("otel-fe"), "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("otel-fe 0.")
