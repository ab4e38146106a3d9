"""ReaderConfig: its fields, and which of them go together (ItemReader, Map)."""

from __future__ import annotations

from mapfold.states import problems
from mapfold.states.definition import Node

FILE_TYPES = ("CSV", "JSON", "JSONL", "PARQUET")
UNLOAD_TYPES = ("CSV", "JSONL", "PARQUET")
MANIFEST_TYPES = ("S3_INVENTORY", "ATHENA_DATA")
DELIMITERS = ("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")
CSV_FIELDS = ("CSVHeaderLocation", "CSVHeaders", "CSVDelimiter")
FIELDS = ("InputType", *CSV_FIELDS, "ItemsPointer", "ManifestType", "Transformation", "MaxItems", "MaxItemsPath")


def check_config(config: Node, resource: str) -> None:
    """Report what is wrong with a ReaderConfig. `resource` is s3:getObject, s3:listObjectsV2, or "" where it is neither."""
    config.check_fields([name for name in FIELDS if not (config.is_jsonata and name.endswith("Path"))], FIELDS)
    config.one_of("CSVDelimiter", DELIMITERS)
    manifest = config.one_of("ManifestType", MANIFEST_TYPES)
    transformation = config.one_of("Transformation", ("NONE", "LOAD_AND_FLATTEN"))
    if resource == "s3:listObjectsV2":
        _check_listing(config, transformation)
    elif resource == "s3:getObject":
        _check_object(config, manifest)
    _check_csv(config)
    _check_pointer(config)


def _check_listing(config: Node, transformation: str | None) -> None:
    """An InputType is only for LOAD_AND_FLATTEN. Without it, AWS's word on one is unconfirmed, and it is ignored."""
    if config.has("ManifestType"):
        config.problem("The field 'ManifestType' is only supported with s3:getObject", "ManifestType")
    if transformation == "LOAD_AND_FLATTEN":
        config.require("InputType")
    config.one_of("InputType", FILE_TYPES)


def _check_object(config: Node, manifest: str | None) -> None:
    if config.has("Transformation"):
        config.problem("The field 'Transformation' is only supported with s3:listObjectsV2", "Transformation")
    if manifest == "S3_INVENTORY":
        if config.has("InputType"):
            config.problem("'InputType' may not be given when 'ManifestType' is 'S3_INVENTORY'", "InputType")
    elif manifest == "ATHENA_DATA":
        config.require("InputType")
        config.one_of("InputType", UNLOAD_TYPES)
    else:
        if not config.has("ManifestType"):
            config.require("InputType")
        config.one_of("InputType", (*FILE_TYPES, "MANIFEST"))


def _check_csv(config: Node) -> None:
    """CSV has to say where its header is; nothing else has one."""
    if config.fields.get("InputType") != "CSV":
        for name in CSV_FIELDS:
            if config.has(name):
                config.problem(f"The field '{name}' is only supported when 'InputType' is 'CSV'", name)
        return
    config.require("CSVHeaderLocation")
    location = config.one_of("CSVHeaderLocation", ("FIRST_ROW", "GIVEN"))
    if location == "GIVEN" and config.require("CSVHeaders"):
        for index, header in enumerate(config.array("CSVHeaders")):
            if not isinstance(header, str):
                config.problem(problems.expected("String"), "CSVHeaders", index)
    if location == "FIRST_ROW" and config.has("CSVHeaders"):
        config.problem("'CSVHeaders' may only be given when 'CSVHeaderLocation' is 'GIVEN'", "CSVHeaders")


def _check_pointer(config: Node) -> None:
    pointer = config.string("ItemsPointer")
    if pointer and not pointer.startswith("/"):
        config.problem("ItemsPointer must be a JSON Pointer such as /results/items", "ItemsPointer")
    if config.has("ItemsPointer") and config.fields.get("InputType") != "JSON":
        config.problem("The field 'ItemsPointer' is only supported when 'InputType' is 'JSON'", "ItemsPointer")
