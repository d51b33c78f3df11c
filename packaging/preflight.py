"""Is everything here that pip cannot install? If not, name it, with the one line that installs it.

usage: python3 packaging/preflight.py [--window] [--install]

--window    also what a window on a display needs
--install   install what is missing with apt-get (automatic builds; it needs root)

Runs with the system's Python, before there is an environment: the standard library only.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys

MINIMUM_PYTHON = (3, 11)

# Library → Debian package; from `ldd` of PySide6's platform plug-ins.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libgomp.so.1": "libgomp1",
}
WINDOW_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def is_loadable(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_japanese_font():
    if not shutil.which("fc-list"):
        return True  # Nothing to ask; the window shows what there is.
    found = subprocess.run(["fc-list", ":lang=ja"], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip())


def missing_packages(window):
    packages = []
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python3-venv")
    if not any(map(shutil.which, filter(None, (os.environ.get("CXX"), "c++", "g++", "clang++")))):
        packages.append("g++")
    if not shutil.which("make"):
        packages.append("make")
    if sys.platform == "linux":
        libraries = {**LIBRARIES, **(WINDOW_LIBRARIES if window else {})}
        packages += [package for library, package in libraries.items() if not is_loadable(library)]
        if window and not has_japanese_font():
            packages.append("fonts-noto-cjk")
    return packages


def main():
    if sys.version_info < MINIMUM_PYTHON:
        wanted = ".".join(map(str, MINIMUM_PYTHON))
        sys.exit(f"error: Python {wanted} or later is needed, and this is {sys.version.split()[0]}.")
    packages = missing_packages("--window" in sys.argv)
    if not packages:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if "--install" in sys.argv and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], check=False)
        sys.exit(subprocess.run(install, check=False).returncode)
    line = f"sudo apt-get install -y {' '.join(packages)}"
    sys.exit(f"error: the system lacks {', '.join(packages)}. Install with:\n  {line}")


if __name__ == "__main__":
    main()
