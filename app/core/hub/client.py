"""The Hugging Face hub, through huggingface_hub: the only module of the application that imports it.

Only `inro models fetch` imports this module. The address is HF_ENDPOINT's, the token that of `hf auth login` or
HF_TOKEN, proxies those of HTTPS_PROXY: all read by huggingface_hub itself, which sends the token to the hub alone.

Files are read with its HTTP session and not with `hf_hub_download`: that one deletes what it has when it is
interrupted, so that a large file begins anew each time (huggingface/huggingface_hub#4196). hf_xet, which it would use
where it is installed, cannot go on from a part either, and keeps a cache of its own in the home folder.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from app.core.errors import InputError, MachineError, UserFacingError
from app.core.hub.remote import BrokenOff, RemoteFile, Snapshot, Stream

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-")
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class HuggingFaceHub:
    """Raises InputError if huggingface_hub is not installed."""

    def __init__(self) -> None:
        if importlib.util.find_spec("huggingface_hub") is None:
            raise InputError('Downloading needs huggingface-hub, which is not installed: pip install "inro[fetch]".')
        # Read once, when the library is imported. Without it the library asks the hub what it may have been started by,
        # and tells that with every request.
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        from huggingface_hub.utils.logging import set_verbosity

        # Its warnings repeat, unchecked, what the server wants to be shown.
        set_verbosity(logging.ERROR)

    def snapshot(self, repository: str, revision: str) -> Snapshot:
        from huggingface_hub import HfApi, constants, errors
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        try:
            info = HfApi().model_info(
                repository, revision=revision, files_metadata=True, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
            )
            files = {sibling.rfilename: _file(sibling) for sibling in info.siblings or []}
            commit = _checked(_COMMIT, info.sha)
        except errors.OfflineModeIsEnabled as error:
            raise InputError("HF_HUB_OFFLINE forbids every download; unset it to fetch a model.") from error
        except errors.GatedRepoError as error:
            raise _refused(repository) from error
        except errors.RevisionNotFoundError as error:
            raise InputError(f"{repository} has no revision {revision}.") from error
        except errors.RepositoryNotFoundError as error:
            raise _unknown(repository) from error
        except errors.HFValidationError as error:
            raise InputError(f"{repository} is not a name that a repository can have.") from error
        except errors.HfHubHTTPError as error:
            raise _answered(error.response.status_code, repository) from error
        except (OSError, HTTPError) as error:
            raise MachineError(
                f"The hub cannot be reached ({type(error).__name__}): is this machine connected to a network?"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _no_hub() from error
        return Snapshot(repository, commit, files)

    @contextmanager
    def read(self, snapshot: Snapshot, path: str, offset: int) -> Iterator[Stream]:
        from huggingface_hub import constants, get_session, hf_hub_url
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        url = hf_hub_url(snapshot.repository, path, revision=snapshot.commit)
        # Compressed on the way, the bytes would not be those that the range counts.
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with ExitStack() as stack:
            try:
                # Redirected to another host, as large files are, the session leaves the token out.
                response = stack.enter_context(
                    get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
                )
            except (OSError, HTTPError) as error:
                raise BrokenOff(type(error).__name__) from error
            if response.status_code in _PASSING:
                raise BrokenOff(f"the hub answers {response.status_code}")
            if response.status_code not in (200, 206):
                store = response.url.host if response.history else None
                raise _answered(response.status_code, snapshot.repository, store)
            begin = 0
            if response.status_code == 206:
                match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
                if match is None or (begin := int(match[1])) != offset:
                    raise _no_hub()
            yield Stream(begin, _chunks(response.iter_raw()))


def _chunks(raw: Iterator[bytes]) -> Iterator[bytes]:
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield from raw
    except (OSError, HTTPError) as error:
        raise BrokenOff(type(error).__name__) from error


def _file(sibling: RepoSibling) -> RemoteFile:
    """Raises ValueError or TypeError for what does not describe a file."""
    size = sibling.lfs.size if sibling.lfs else sibling.size
    if not isinstance(size, int) or size < 0:
        raise TypeError(f"a size of {size!r}")
    if sibling.lfs:
        return RemoteFile(sibling.rfilename, size, sha256=_checked(_SHA256, sibling.lfs.sha256))
    return RemoteFile(sibling.rfilename, size, git_blob=_checked(_COMMIT, sibling.blob_id))


def _checked(pattern: re.Pattern[str], text: str | None) -> str:
    if text is None or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no hash")
    return text


def _answered(status: int, repository: str, store: str | None = None) -> UserFacingError:
    """`store` is where the hub redirected to."""
    if store is not None:
        return MachineError(
            f"The hub keeps its files at {store}, which answers with an error ({status}): does this network allow it?"
        )
    if status in (401, 403):
        return _refused(repository)
    if status == 404:
        return _unknown(repository)
    return MachineError(f"The hub answers with an error ({status}); try again later.")


def _refused(repository: str) -> UserFacingError:
    return InputError(
        f"The hub does not give {repository} to everyone: accept its terms on its page and log in with `hf auth login`."
    )


def _unknown(repository: str) -> UserFacingError:
    return InputError(
        f"The hub has no repository {repository}, or it is private: check the name, or log in with `hf auth login`."
    )


def _no_hub() -> UserFacingError:
    return MachineError(
        "What answers is not a Hugging Face hub: a login page or a proxy of this network may stand before it."
    )
