"""What the commands share: one sentence on stderr for a failure, one exit code, one JSON object for `--json`."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

from app.core.errors import ExitCode, UserFacingError, excerpt

_MAX_LINE = 10_000
_SURROGATE = re.compile("[\ud800-\udfff]")


def run(command: Callable[[], int | None]) -> int:
    """Run `command` and return its exit code; failures that a person can act on become one sentence on stderr.

    Being asked to end (SIGTERM) is the same as Ctrl-C: what is half done is removed on the way out.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(command() or ExitCode.DONE)
    except UserFacingError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted.", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader (`head`, a closed terminal) went away; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except MemoryError:
        return _fail("there is not enough memory on this machine.", ExitCode.MACHINE)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _fail(f"no space is left for {error.filename or 'the output'}.", ExitCode.MACHINE)
        if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)):
            return _fail(f"{error.filename}: {(error.strerror or 'cannot be opened').lower()}.", ExitCode.USAGE)
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{(error.strerror or 'the system refused it').lower()}.", ExitCode.MACHINE)


def json_text(value: dict[str, Any]) -> str:
    """One JSON object on one line, Japanese as it is.

    A file name that is no UTF-8 has lone surrogates in Python, and JSON from outside may bring them. No stream takes
    them, so they are escaped.
    """
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line of stdout."""
    print(json_text(value), flush=True)


def _fail(sentence: str, code: ExitCode) -> int:
    # It may name a file from outside, and a terminal obeys what such a name holds.
    shown = "\n".join(excerpt(line, _MAX_LINE) for line in sentence.split("\n"))
    print(f"error: {shown}", file=sys.stderr)
    return code
