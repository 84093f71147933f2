"""The OpenAPI document, from the table of operations and the schemas of their types.

Source: OpenAPI Specification 3.1.1.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import msgspec

from containerlab.distribution.api import problem
from containerlab.distribution.api.operation import PREFIX, Operation
from containerlab.distribution.api.problem import Problem
from containerlab.distribution.api.values import Page
from containerlab.errors import LabError

__all__ = ["document"]

_TEMPLATE = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 404, 429, 503)
_WITH_BODY = (409, 413, 415, 422)
_MEANINGS = {
    400: "The request is wrong.",
    401: "Sign in first, or again.",
    403: "Not permitted.",
    404: "There is no such thing, or none that you may see.",
    405: "This method does nothing here.",
    409: "It exists already, or is in another state.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "This server cannot do it.",
    429: "Too many tries; see Retry-After.",
    503: "It does not work now, and may later.",
}
_WHO = {
    "anybody": "Anybody may, as far as it is public.",
    "account": "Whoever is signed in may, about what is theirs.",
    "read": "Needs the right to read.",
    "write": "Needs the right to write.",
    "manage": "Needs the right to manage.",
    "administrator": "Administrators only.",
}
_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic", "description": "Name and password, or a robot's token."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of /token."},
    "session": {
        "type": "apiKey", "in": "cookie", "name": "conlab5000",
        "description": "The page's, named by the port; what changes something also needs X-CSRF-Token.",
    },
}  # fmt: skip


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Describe the API."""
    schemas, components = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "containerlab registry",
            "version": metadata.version("containerlab"),
            "description": "All that a registry does beside the OCI distribution protocol at /v2/.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "tags": [{"name": noun} for noun in dict.fromkeys(each.noun for each in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": _SCHEMES,
            "responses": {str(status): _refused(status, text) for status, text in _MEANINGS.items()},
        },
    }


def _schemas(operations: Sequence[Operation]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the schema of each type, and the components that they refer to."""
    kinds: list[Any] = [Problem]
    for operation in operations:
        kinds += [kind for kind, _ in operation.parameters.values()]
        kinds += [kind for kind in (operation.body_type, operation.answer_type) if kind is not None]
    unique = list({repr(kind): kind for kind in kinds}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_TEMPLATE)
    _describe(components, unique)
    return {repr(kind): schema for kind, schema in zip(unique, schemas, strict=True)}, components


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = operation.help.partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.noun],
        "summary": summary,
        "description": f"{more.strip()}\n\n{_WHO[operation.who]}".strip(),
        "security": [*([{}] if operation.who == "anybody" else []), *({name: []} for name in _SCHEMES)],
        "parameters": list(_parameters(operation, schemas)),
        "responses": _responses(operation, schemas),
    }
    if operation.body_type is not None:
        content = {"application/json": {"schema": schemas[repr(operation.body_type)]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(operation: Operation, schemas: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for name, (kind, default) in operation.parameters.items():
        in_path = name in operation.in_path
        if not in_path and operation.has_body:
            continue
        schema = schemas[repr(kind)]
        if default not in (msgspec.NODEFAULT, None):
            schema = {**schema, "default": msgspec.to_builtins(default)}
        yield {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or default is msgspec.NODEFAULT,
            "schema": schema if in_path else _without_null(schema),
        }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out `null`: a query cannot say it, what is not wanted is left away."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if operation.answer_type is not None:
        kind = "application/jsonl" if operation.streams else "application/json"
        good["content"] = {kind: {"schema": schemas[repr(operation.answer_type)]}}
    if getattr(operation.answer_type, "__origin__", None) is Page:
        good["headers"] = {"Link": {"description": "The next page.", "schema": {"type": "string"}}}
    statuses = sorted({*_ALWAYS, *(_WITH_BODY if operation.method != "GET" else ())})
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
    return {str(operation.status): good, **refused}


def _refused(status: int, text: str) -> dict[str, Any]:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    kind = next((each for each, code in problem.STATUSES.items() if code == status), LabError)
    example = problem.problem_of(kind(text, "what to do about it"), status)
    content = {"schema": schema, "example": msgspec.to_builtins(example)}
    return {"description": text, "content": {problem.MEDIA_TYPE: content}}


def _describe(components: dict[str, Any], kinds: Iterable[Any]) -> None:
    """Add to the schemas what the sources say of each field, on the line below it."""
    structs = {kind.__name__: kind for kind in _structs(kinds)}
    for name, schema in components.items():
        for field, text in (_field_texts(structs[name]) if name in structs else {}).items():
            found = schema.get("properties", {}).get(field)
            if found is not None:
                found.setdefault("description", text)


def _structs(kinds: Iterable[Any]) -> Iterable[type[msgspec.Struct]]:
    """Find the Structs in types, and those in their fields."""
    waiting, seen = list(kinds), set()
    while waiting:
        kind = waiting.pop()
        waiting += getattr(kind, "__args__", ())
        origin = getattr(kind, "__origin__", kind)
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct) and origin not in seen:
            seen.add(origin)
            waiting += [field.type for field in msgspec.structs.fields(origin)]
            yield origin


def _field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError):  # made at run time, or installed without sources
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
