"""Build llama-cpp-python once for this machine, keep the wheel, and install it into the running environment.

usage: python packaging/build_llama.py VERSION

pip reuses a wheel that it built earlier with other flags without a word. So the wheel is kept in a folder whose name
is a digest of everything that decides its contents (version, flags, compiler, interpreter, processor), pip's own wheel
cache is left aside, and the environment is brought up to date whenever the installed wheel came from another folder.

The build uses every instruction of this processor except AMX: llama.cpp's AMX kernels end the process at the first
batch of a quantized model (ggml-org/llama.cpp#20824). The result must not be moved to another kind of processor.

Additional CMake arguments (for a GPU, for instance `-DGGML_CUDA=on`) are taken from CMAKE_ARGS.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

# The llama.cpp commit that each release of llama-cpp-python contains, from its CHANGELOG.md. The source distribution
# has no git history, so without this the library calls itself "unknown".
LLAMA_CPP_COMMITS = {"0.3.36": "0c1e57098"}

# Nothing of these is used: the multimodal library, and the OpenMP-free fallbacks are decided by CMake itself.
BASE_ARGUMENTS = ["-DLLAVA_BUILD=OFF"]
NO_AMX = ["-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16"]


def compiler() -> str:
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    sys.exit("error: no C++ compiler was found. Install one with: sudo apt-get install -y g++ make")


def compiler_accepts(cxx: str, flags: list[str]) -> bool:
    command = [cxx, *flags, "-E", "-x", "c++", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def processor() -> str:
    """The features a native build depends on; the model name where the system lists no features."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return " ".join(sorted(line.partition(":")[2].split()))
    except OSError:
        pass
    return platform.processor()


def cmake_arguments(cxx: str, version: str) -> list[str]:
    arguments = list(BASE_ARGUMENTS)
    if commit := LLAMA_CPP_COMMITS.get(version):
        arguments.append(f"-DLLAMA_BUILD_COMMIT={commit}")
    if platform.machine().lower() in ("x86_64", "amd64") and compiler_accepts(cxx, NO_AMX):
        flags = " ".join(NO_AMX)
        arguments += [f"-DCMAKE_C_FLAGS='{flags}'", f"-DCMAKE_CXX_FLAGS='{flags}'"]
    if extra := os.environ.get("CMAKE_ARGS"):
        arguments.append(extra)
    return arguments


def wheel_folder(version: str, arguments: list[str], cxx: str) -> Path:
    compiler_version = subprocess.run([cxx, "--version"], capture_output=True, text=True, check=True).stdout
    described = {
        "version": version,
        "arguments": arguments,
        "compiler": compiler_version.splitlines()[0],
        "interpreter": sysconfig.get_config_var("SOABI") or sys.version,
        "platform": sysconfig.get_platform(),
        "processor": processor(),
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    cache = os.environ.get("INRO_WHEELS") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "inro/wheels"
    folder = Path(cache).expanduser() / f"llama-cpp-python-{version}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
    return folder


def build(version: str, arguments: list[str], folder: Path) -> Path:
    print(f"building llama-cpp-python {version} for this processor, about five minutes on two cores …", flush=True)
    environment = os.environ | {"CMAKE_ARGS": " ".join(arguments)}
    environment.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    requirement = f"llama-cpp-python=={version}"
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
        command += ["--no-binary", "llama-cpp-python", "--wheel-dir", out, requirement]
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            sys.exit("error: llama-cpp-python did not build; the compiler's message is above.")
        (wheel,) = Path(out).glob("*.whl")
        return wheel.replace(folder / wheel.name)


def installed_from(folder: Path, version: str) -> bool:
    try:
        distribution = importlib.metadata.distribution("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        return False
    # PEP 610: pip records where a package that was not taken from an index came from.
    origin = distribution.read_text("direct_url.json") or ""
    return distribution.version == version and folder.name in origin


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    version = sys.argv[1]
    cxx = compiler()
    arguments = cmake_arguments(cxx, version)
    folder = wheel_folder(version, arguments, cxx)
    if installed_from(folder, version):
        return
    wheels = sorted(folder.glob("*.whl"))
    wheel = wheels[0] if wheels else build(version, arguments, folder)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
