"""What the commands share: one sentence on stderr for a failure, one exit code, one JSON object for `--json`."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from app.core.errors import ExitCode, UserFacingError


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


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line of stdout, Japanese as it is."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _fail(sentence: str, code: ExitCode) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code
