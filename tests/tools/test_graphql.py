"""GraphQL SDL: queries and mutations are tools, and their documents are valid against the schema they come from."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from callwright.errors import ToolError
from callwright.schema import sample_value, validate
from callwright.tools import load_tools
from callwright.tools.graphql import graphql_operations

graphql = pytest.importorskip("graphql", reason="graphql-core is not installed: pip install 'callwright[graphql]'")

SDL = """
enum Status { OPEN HELD DONE }
input Where { status: Status = OPEN, and: [Where!], tags: [String!]! }
interface Named { name: String! }
type Author implements Named { id: ID! name: String! books(first: Int!): [Book!]! friend: Author }
type Book { id: ID! title: String! author: Author! pages: Int }
union Found = Author | Book
type Query {
  "One book by its id."
  book(id: ID!): Book
  books(where: Where, limit: Int = 10): [Book!]!
  search(text: String!): [Found!]!
  version: String!
}
type Mutation { addBook(title: String!, pages: Int, authorId: ID!): Book!  book(id: ID!, title: String!): Book }
"""


def test_every_document_is_valid_and_takes_the_tools_arguments() -> None:
    schema = graphql.build_schema(SDL)
    rng = random.Random(0)
    found = graphql_operations(SDL, "s.graphql")
    assert [operation.tool.name for operation in found] == [
        "book",
        "books",
        "search",
        "version",
        "addBook",
        "mutation_book",
    ]
    for operation in found:
        document = graphql.parse(operation.document)
        assert graphql.validate(schema, document) == []
        parameters = operation.tool.parameters
        arguments = sample_value(parameters, rng, parameters)
        assert validate(arguments, parameters) == []
        (definition,) = document.definitions
        values = graphql.execution.values.get_variable_values(schema, definition.variable_definitions or (), arguments)
        assert isinstance(getattr(values, "coerced", values), dict), values


def test_types_defaults_and_what_is_required() -> None:
    by_name = {operation.tool.name: operation for operation in graphql_operations(SDL, "s.graphql")}
    book, books = by_name["book"].tool, by_name["books"].tool
    assert book.description == "One book by its id."
    assert book.parameters == {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    assert books.parameters["properties"]["limit"] == {"type": "integer", "default": 10}
    where = books.parameters["$defs"]["Where"]
    assert where["required"] == ["tags"]
    assert where["properties"]["status"] == {"type": "string", "enum": ["OPEN", "HELD", "DONE"], "default": "OPEN"}
    assert where["properties"]["and"]["items"] == {"$ref": "#/$defs/Where"}


def test_the_depth_of_answers_is_chosen() -> None:
    flat, deep = (graphql_operations(SDL, "s", ["book"], depth)[0].document for depth in (1, 2))
    assert flat.endswith("{ book(id: $id) { id title pages } }")
    assert "author { id name }" in deep and "books" not in deep


@pytest.mark.parametrize(
    ("sdl", "fields", "why"),
    [
        ("type Query { x: Int", (), r"s:1: is no GraphQL schema"),
        ("type Query { x: Unknown }", (), "is no GraphQL schema: Unknown type"),
        ("type Book { x: Int }", (), "no queries and no mutations"),
        (SDL, ("boook",), "did you mean 'book'"),
    ],
)
def test_what_cannot_be_read_is_named(sdl: str, fields: tuple[str, ...], why: str) -> None:
    with pytest.raises(ToolError, match=why):
        graphql_operations(sdl, "s", fields)


def test_a_file_with_a_selection(tmp_path: Path) -> None:
    path = tmp_path / "s.graphql"
    path.write_text(SDL)
    assert [tool.name for tool in load_tools(f"{path}#field=search,version")] == ["search", "version"]
