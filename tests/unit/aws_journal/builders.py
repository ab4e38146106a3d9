"""Requests as they stand in a journal, without a server."""

from __future__ import annotations

from typing import Any

import orjson

from mapfold.local.aws_journal.records import Record

S3 = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=any"


def s3(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Record:
    """`s3("PUT", "/bucket/key")`; headers by their WSGI names."""
    return record(method, path, query, body, HTTP_AUTHORIZATION=S3, **headers)


def dynamodb(operation: str, **request: Any) -> Record:
    """`dynamodb("PutItem", TableName=..., Item=...)`."""
    headers = {
        "HTTP_AUTHORIZATION": S3.replace("/s3/", "/dynamodb/"),
        "HTTP_X_AMZ_TARGET": f"DynamoDB_20120810.{operation}",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
    }
    return record("POST", "/", "", orjson.dumps(request), **headers)


def record(method: str, path: str, query: str = "", body: bytes = b"", **environ: str) -> Record:
    """Any request."""
    raw = f"{path}?{query}" if query else path
    return Record(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "RAW_URI": raw,
            "HTTP_HOST": "127.0.0.1:8084",
            "wsgi.url_scheme": "http",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8084",
            **environ,
        },
        body,
        seed=1,
        moment=1_700_000_000.0,
    )


def create_table(name: str = "t", *, range_key: str | None = None, **more: Any) -> Record:
    """A table with the key `k`."""
    keys = [("k", "HASH")] if range_key is None else [("k", "HASH"), (range_key, "RANGE")]
    return dynamodb(
        "CreateTable",
        TableName=name,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


def put_item(key: str, value: str = "", *, table: str = "t", **more: Any) -> Record:
    return dynamodb("PutItem", TableName=table, Item={"k": {"S": key}, "v": {"S": value}}, **more)


def batch_put(*keys: str, table: str = "t", value: str = "") -> Record:
    puts = [{"PutRequest": {"Item": {"k": {"S": key}, "v": {"S": value}}}} for key in keys]
    return dynamodb("BatchWriteItem", RequestItems={table: puts})


def update_item(key: str, *, table: str = "t") -> Record:
    return dynamodb(
        "UpdateItem",
        TableName=table,
        Key={"k": {"S": key}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def delete_item(key: str, *, table: str = "t") -> Record:
    return dynamodb("DeleteItem", TableName=table, Key={"k": {"S": key}})
