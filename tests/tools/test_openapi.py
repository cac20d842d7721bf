"""OpenAPI 3.0, 3.1 and Swagger 2: every operation is a tool whose sampled calls validate, small enough for a prompt."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from callwright.errors import ToolError
from callwright.schema import check_schema, sample_value, validate
from callwright.tools import load_tools
from callwright.tools.openapi import Selection, operations, read_openapi

RESOURCES = [
    "order",
    "customer",
    "product",
    "invoice",
    "shipment",
    "warehouse",
    "supplier",
    "employee",
    "ticket",
    "project",
    "booking",
    "vehicle",
]


def large_document() -> dict[str, Any]:
    """A shop of twelve resources, nine operations each, with references, allOf, a recursive schema and headers."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {
        "Entity": {
            "type": "object",
            "properties": {"id": {"type": "string", "readOnly": True}, "note": {"type": "string", "nullable": True}},
        },
        "Address": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "city": {"type": "string", "example": "Oslo"},
                "zip": {"type": "string", "pattern": "^[0-9]{4}$"},
            },
        },
        "Node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/components/schemas/Node"}},
        },
    }
    parameters = {
        "Limit": {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        },
        "Key": {"name": "X-Api-Key", "in": "header", "schema": {"type": "string"}},
    }
    for name in RESOURCES:
        title = name.capitalize()
        schemas[title] = {
            "allOf": [
                {"$ref": "#/components/schemas/Entity"},
                {
                    "type": "object",
                    "required": ["name", "status"],
                    "properties": {
                        "name": {"type": "string", "description": f"The {name}'s name.\n\nMore than anyone reads."},
                        "status": {"type": "string", "enum": ["open", "held", "done"]},
                        "address": {"$ref": "#/components/schemas/Address"},
                        "node": {"$ref": "#/components/schemas/Node"},
                        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                        "x-internal": {"type": "string"},
                    },
                },
            ]
        }
        body = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{title}"}}},
        }
        by_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}

        def operation(verb: str, what: str, **more: Any) -> dict[str, Any]:
            return {
                "operationId": f"{verb}{what}",
                "summary": f"{verb.capitalize()} {what}",
                "tags": [what.lower()],
                "responses": {"200": {"description": "OK"}},
                **more,
            }

        paths[f"/{name}s"] = {
            "parameters": [{"$ref": "#/components/parameters/Key"}],
            "get": operation("list", title, parameters=[{"$ref": "#/components/parameters/Limit"}]),
            "post": operation("create", title, requestBody=body),
        }
        paths[f"/{name}s/{{id}}"] = {
            "parameters": [by_id],
            "get": operation("get", title),
            "put": operation("replace", title, requestBody=body),
            "delete": operation("delete", title),
        }
        paths[f"/{name}s/{{id}}/archive"] = {"post": operation("archive", title, parameters=[by_id])}
        paths[f"/{name}s/count"] = {"get": operation("count", title)}
        paths[f"/{name}s/import"] = {
            "post": operation(
                "import",
                title,
                requestBody={
                    "content": {
                        "application/json": {
                            "schema": {"type": "array", "items": {"$ref": f"#/components/schemas/{title}"}}
                        }
                    }
                },
            )
        }
        paths[f"/{name}s/search"] = {
            "get": {
                "summary": f"Search {name}s",
                "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
            }
        }
    return {
        "openapi": "3.0.3",
        "info": {"title": "Shop", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "parameters": parameters},
    }


def test_every_operation_of_a_large_document_is_a_tool_with_a_valid_call() -> None:
    found = operations(large_document(), "shop.json")
    assert len(found) == 9 * len(RESOURCES) > 100
    assert len({operation.tool.name for operation in found}) == len(found)
    rng = random.Random(0)
    for operation in found:
        tool = operation.tool
        assert check_schema(tool.parameters) == []
        arguments = sample_value(tool.parameters, rng, tool.parameters)
        assert validate(arguments, tool.parameters) == []
        assert set(operation.places) == set(tool.parameters["properties"])
        written = json.dumps(tool.parameters)
        assert (
            "$ref" not in written
            and "example" not in written
            and "x-internal" not in json.dumps(tool.parameters.get("required"))
        )


def test_a_body_stands_beside_the_path() -> None:
    (found,) = operations(large_document(), "shop.json", Selection(operations=["replaceOrder"]))
    assert found.method == "put" and found.path == "/orders/{id}"
    assert found.places["id"] == "path" and found.places["name"] == "body"
    assert found.tool.parameters["required"] == ["id", "name", "status"]
    assert found.tool.parameters["properties"]["name"] == {"type": "string", "description": "The order's name."}
    assert found.tool.parameters["properties"]["address"]["required"] == ["city"]
    assert "readOnly" not in json.dumps(found.tool.parameters)


def test_a_schema_that_holds_itself_ends() -> None:
    (found,) = operations(large_document(), "shop.json", Selection(operations=["createOrder"]))
    node = found.tool.parameters["properties"]["node"]
    assert node["properties"]["parent"] == {"type": "object"}


def test_a_body_that_is_no_object_is_one_parameter() -> None:
    (found,) = operations(large_document(), "shop.json", Selection(operations=["importOrder"]))
    assert found.places == {"body": "whole body"}
    assert found.tool.parameters["properties"]["body"]["type"] == "array"


@pytest.mark.parametrize(
    ("select", "count"),
    [
        (Selection(tags=["order"]), 8),
        (Selection(paths=["/orders*"]), 9),
        (Selection(methods=["delete"]), 12),
        (Selection(tags=["order"], methods=["get"]), 3),
    ],
)
def test_selections(select: Selection, count: int) -> None:
    assert len(operations(large_document(), "shop.json", select)) == count


@pytest.mark.parametrize(
    ("select", "hint"),
    [
        (Selection(tags=["ordr"]), "'ordr' is not in it; did you mean 'order'"),
        (Selection(operations=["listOrders"]), "did you mean 'listOrder'"),
    ],
)
def test_a_selection_of_nothing_offers_the_nearest(select: Selection, hint: str) -> None:
    with pytest.raises(ToolError, match=hint):
        operations(large_document(), "shop.json", select)


SWAGGER = {
    "swagger": "2.0",
    "paths": {
        "/pets/{petId}": {
            "post": {
                "operationId": "pets.update",
                "description": "Updates a pet in the store.\n\nLong text.",
                "parameters": [
                    {"name": "petId", "in": "path", "required": True, "type": "integer", "format": "int64"},
                    {"name": "status", "in": "formData", "type": "string", "enum": ["sold", "free"]},
                    {"name": "Authorization", "in": "header", "required": True, "type": "string"},
                ],
            },
            "put": {
                "parameters": [
                    {"name": "petId", "in": "path", "required": True, "type": "integer"},
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
                ],
            },
        }
    },
    "definitions": {
        "Pet": {
            "type": "object",
            "required": ["petId"],
            "properties": {"petId": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
        }
    },
}


def test_swagger_2() -> None:
    update, replace = operations(SWAGGER, "pets.json")
    assert (update.tool.name, update.tool.description) == ("pets_update", "Updates a pet in the store.")
    assert update.places == {"petId": "path", "status": "form"}
    assert update.tool.parameters["properties"]["status"] == {"type": "string", "enum": ["sold", "free"]}
    assert replace.tool.name == "put_pets_petId"
    assert replace.places == {"petId": "path", "body_petId": "body", "tags": "body"}
    assert replace.names == {"body_petId": "petId"}
    assert replace.tool.parameters["required"] == ["petId", "body_petId"]


def test_openapi_31_types() -> None:
    document = {
        "openapi": "3.1.0",
        "paths": {
            "/x": {"get": {"parameters": [{"name": "n", "in": "query", "schema": {"type": ["integer", "null"]}}]}}
        },
    }
    (found,) = operations(document, "x")
    assert found.tool.parameters["properties"]["n"]["type"] == ["integer", "null"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "is no OpenAPI document"),
        ({"openapi": "3.0.0"}, "is no OpenAPI document"),
        ({"openapi": "3.0.0", "paths": {}}, "no operation is selected; its 'paths' hold none"),
        (
            {"openapi": "3.0.0", "paths": {"/x": {"get": {"parameters": [{"$ref": "#/components/parameters/No"}]}}}},
            "leads nowhere",
        ),
        (
            {"openapi": "3.0.0", "paths": {"/x": {"get": {"parameters": [{"$ref": "other.yaml#/x"}]}}}},
            "bundle the document",
        ),
    ],
)
def test_what_cannot_be_read_is_named(document: Any, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        operations(document, "doc.json")


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_files_of_both_kinds(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"shop.{ending}"
    document = large_document()
    path.write_text(json.dumps(document) if ending == "json" else yaml.safe_dump(copy.deepcopy(document)))
    assert len(read_openapi(path)) == 9 * len(RESOURCES)
    assert [tool.name for tool in load_tools(f"{path}#tag=order&method=delete")] == ["deleteOrder"]


@pytest.mark.parametrize(
    ("text", "line"), [('{"openapi": "3.0.0",\n "paths": {,}}', 2), ("openapi: 3.0.0\npaths: [}", 2)]
)
def test_broken_files_name_the_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ToolError, match=rf"broken\.yaml:{line}: is not"):
        read_openapi(path)
