"""moto in this process, asked through WSGI, with and without a journal around it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import orjson

from mapfold.local._moto_process import create_application
from mapfold.local.aws_journal.kept_moto import KeptMoto, open_kept
from mapfold.local.aws_journal.records import Record
from mapfold.local.aws_journal.requests import Answer, Application, ask, for_moto
from tests.unit.aws_journal.builders import dynamodb, record, s3


def tell(application: Application, request: Record) -> Answer:
    """Ask for something, as a server would."""
    return ask(application, for_moto(request.environ, io.BytesIO(request.body), len(request.body)))


@contextmanager
def kept_moto(folder: Path, said: list[str] | None = None) -> Iterator[KeptMoto]:
    """A fresh moto with what is kept in `folder`."""
    application = create_application()
    tell(application, record("POST", "/moto-api/reset")).content()
    kept = open_kept(application, folder, (said if said is not None else []).append)
    try:
        yield kept
    finally:
        kept.close()


def state(application: Application) -> dict[str, Any]:
    """All that there is: every version of every object, with its body, tags and dates; open uploads; every item."""
    found: dict[str, Any] = {}
    for bucket in _texts(_get(application, "/"), "Name"):
        versions = _get(application, f"/{bucket}", "versions")
        found[bucket] = ElementTree.canonicalize(versions.decode())
        found[f"{bucket} uploads"] = sorted(_texts(_get(application, f"/{bucket}", "uploads"), "UploadId"))
        for element in ElementTree.fromstring(versions):
            if element.tag.endswith("}Version"):
                fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
                where = f"/{bucket}/{quote(fields['Key'])}"
                version = f"versionId={fields['VersionId']}"
                headers = {"HTTP_RANGE": "bytes=0-"} if fields["Size"] != "0" else {}
                found[f"{where} {version}"] = _get(application, where, version, **headers)
                found[f"{where} {version} tags"] = sorted(_texts(_get(application, where, "tagging"), "Value"))
    for table in orjson.loads(tell(application, dynamodb("ListTables")).content())["TableNames"]:
        answer = orjson.loads(tell(application, dynamodb("Scan", TableName=table)).content())
        found[f"table {table}"] = sorted(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in answer["Items"])
    return found


def _get(application: Application, path: str, query: str = "", **headers: str) -> bytes:
    answer = tell(application, s3("GET", path, query, b"", **headers))
    content = answer.content()
    assert answer.code < 300 or answer.code in (404, 405), (answer.status, content)
    return content


def _texts(xml: bytes, name: str) -> list[str]:
    if not xml.startswith(b"<"):
        return []
    return [element.text or "" for element in ElementTree.fromstring(xml).iter() if element.tag.endswith("}" + name)]


def upload_id(answer: Answer) -> str:
    """What CreateMultipartUpload gave."""
    (found,) = _texts(answer.content(), "UploadId")
    return found
