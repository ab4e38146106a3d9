"""Where a function's code comes from: a zip in the request, a zip in S3, or a local folder that runs in place."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.lambda_.errors import LambdaError, invalid_parameter
from mapfold.local.lambda_.functions import LOCAL_BUCKET

MAX_UNZIPPED_BYTES = 262_144_000
"""250 MB, all of a zip's files together."""

_EMPTY = "Uploaded file must be a non-empty zip"


@dataclass(frozen=True, slots=True)
class Code:
    """Code that can run: `in_place` if the folder is the user's own."""

    folder: Path
    sha256: str
    size: int
    in_place: bool


def place_code(document: Mapping[str, Any], *, folder: Path, s3: Callable[[], Any] | None) -> Code:
    """Bring the code that a FunctionCode document names to a folder it can run from. Blocks; call it in a thread.

    Zips are unpacked to `folder`/<hash>, once for the same bytes. Raises InvalidParameterValueException for what is
    missing or is no zip.
    """
    bucket, key = document.get("S3Bucket"), document.get("S3Key")
    if bucket == LOCAL_BUCKET:
        return _local_folder(str(key or ""))
    if document.get("ZipFile") is not None:
        return _unpack(_decode(document["ZipFile"]), folder)
    if bucket and key:
        return _unpack(_from_s3(str(bucket), str(key), document.get("S3ObjectVersion"), s3), folder)
    raise invalid_parameter("Please provide a source for function code.")


def _local_folder(key: str) -> Code:
    path = Path(key)
    if not path.is_absolute() or not path.is_dir():
        raise invalid_parameter(
            f"S3Key '{key}' of bucket '{LOCAL_BUCKET}' must be the absolute path of a folder on this machine."
        )
    # Its content may change at any time, so the hash is that of its name.
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return Code(folder=path, sha256=base64.b64encode(digest).decode(), size=0, in_place=True)


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise LambdaError("SerializationException", "ZipFile is not base64.", 400) from error


def _from_s3(bucket: str, key: str, version: object, s3: Callable[[], Any] | None) -> bytes:
    if s3 is None:
        raise invalid_parameter(f"No S3 is connected to read s3://{bucket}/{key}. Send the code as ZipFile.")
    request = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    try:
        content: bytes = s3().get_object(**request)["Body"].read()
    except ClientError as error:
        facts = error.response.get("Error", {})
        raise invalid_parameter(
            f"Error occurred while GetObject. S3 Error Code: {facts.get('Code')}. "
            f"S3 Error Message: {facts.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise invalid_parameter(f"Error occurred while GetObject. s3://{bucket}/{key}: {error}") from error
    return content


def _unpack(content: bytes, parent: Path) -> Code:
    if not content:
        raise invalid_parameter(_EMPTY)
    digest = hashlib.sha256(content)
    sha256 = base64.b64encode(digest.digest()).decode()
    folder = parent / digest.hexdigest()[:24]
    code = Code(folder=folder, sha256=sha256, size=len(content), in_place=False)
    if folder.is_dir():
        return code
    unfinished = parent / f"{folder.name}.{os.urandom(4).hex()}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if not archive.infolist():
                raise invalid_parameter(_EMPTY)
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNZIPPED_BYTES:
                raise invalid_parameter(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
            unfinished.mkdir(parents=True)
            archive.extractall(unfinished)  # keeps every name inside the folder
            _restore_modes(archive, unfinished)
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise invalid_parameter(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
    try:
        unfinished.rename(folder)  # whole or not at all, whatever happens meanwhile
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not folder.is_dir():
            raise
    return code


def _restore_modes(archive: zipfile.ZipFile, folder: Path) -> None:
    """`extractall` forgets that a file was executable."""
    for entry in archive.infolist():
        mode = entry.external_attr >> 16 & 0o777
        path = folder / entry.filename
        if mode & 0o111 and path.is_file():
            path.chmod(mode | 0o400)
