"""An HTTP service with an OpenAPI description is mounted: its operations are syscalls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from http_service import Service, service
from llmos.syscalls.errno import (
    EAGAIN,
    EFBIG,
    EINVAL,
    EIO,
    ENOENT,
    EPERM,
    ETIME,
    SyscallError,
)
from mounting import Mounts, mounting, write

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "tag": {"type": "string", "nullable": True},
        "mother": {"$ref": "#/components/schemas/Pet"},
    },
}
A_PET = {"$ref": "#/components/schemas/Pet"}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "summary": "List the pets.",
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "description": "how many",
                        "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    },
                    {
                        "name": "tags",
                        "in": "query",
                        "schema": {"type": "array", "items": {"type": "string"}},
                    },
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
            },
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}
                    },
                },
            },
        },
        "/pets/{id}": {
            "parameters": [ID],
            "get": {"summary": "Get a pet."},
            "delete": {"operationId": "removePet"},
            "put": {
                "operationId": "renamePet",
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"properties": {"name": {"type": "string"}}}
                        }
                    }
                },
            },
        },
        "/hang": {"get": {"operationId": "hang"}},
        "/picture": {
            "post": {
                "operationId": "upload",
                "requestBody": {"required": True, "content": {"image/png": {}}},
            }
        },
    },
    "components": {"schemas": {"Pet": PET}},
}


@pytest.fixture
def pets() -> Iterator[Service]:
    with service() as known:
        yield known


def mounted_pets(folder: Path, pets: Service, **more: Any) -> None:
    """The description beside the settings, as YAML; the key by a variable."""
    (folder / "pets.yaml").write_text(yaml.safe_dump(PETS))
    entry = {"description": "pets.yaml", "url": f"{pets.url}/v1", "headers": {"X-Key": "${KEY}"}}
    write(folder / "mcp.json", {"openapi": {"pets": entry | more}})


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sesame")


async def asked(mounts: Mounts, syscall: str, **arguments: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await mounts.call(syscall, **arguments))
    return told


async def test_operations_are_syscalls(tmp_path: Path, pets: Service) -> None:
    mounted_pets(tmp_path, pets)
    async with mounting(tmp_path) as mounts:
        names = {spec.name: spec.effect for spec in mounts.syscalls.specs()}
        assert names == {
            "pets.addPet": "once",
            "pets.get_pets_id": "pure",
            "pets.hang": "pure",
            "pets.listPets": "pure",
            "pets.removePet": "idempotent",
            "pets.renamePet": "idempotent",
        }
        spec = mounts.syscalls.lookup("pets.listPets").spec
        assert spec.summary == "List the pets."
        limit = {"type": "integer", "exclusiveMinimum": 0, "description": "how many"}
        assert spec.parameters["properties"]["limit"] == limit
        assert "upload: its body is none of JSON or a form" in "\n".join(
            mounts.mounted("pets").output
        )

        got = await asked(mounts, "pets.listPets", limit=3, tags=["a b", "c&d"], **{"X-Trace": "t"})
        assert (got["method"], got["path"]) == ("GET", "/v1/pets?limit=3&tags=a+b&tags=c%26d")
        assert (got["headers"]["x-key"], got["headers"]["x-trace"]) == ("sesame", "t")

        got = await asked(mounts, "pets.addPet", body={"name": "Rex", "tag": None})
        assert json.loads(got["body"]) == {"name": "Rex", "tag": None}
        assert got["headers"]["content-type"] == "application/json"

        got = await asked(mounts, "pets.renamePet", id="a/b", body={"name": "Re x"})
        assert (got["method"], got["path"], got["body"]) == ("PUT", "/v1/pets/a%2Fb", "name=Re+x")


async def test_arguments_are_checked_before_anything_is_sent(tmp_path: Path, pets: Service) -> None:
    mounted_pets(tmp_path, pets)
    async with mounting(tmp_path) as mounts:
        for syscall, given, words in (
            ("pets.listPets", {"limit": "3"}, 'limit: expected an integer, got "3"'),
            ("pets.listPets", {"limits": 3}, "unknown argument limits .did you mean limit"),
            ("pets.addPet", {}, "body: expected an object, got nothing"),
            ("pets.addPet", {"body": {"tag": "x"}}, r"body\.name: expected a string, got nothing"),
            ("pets.addPet", {"body": {"name": "a", "mother": {}}}, r"body\.mother\.name"),
            ("pets.get_pets_id", {}, "id: expected a string, got nothing"),
            ("pets.get_pets_id", {"id": ".."}, "cannot be part of a path"),
            ("pets.get_pets_id", {"id": "../../admin"}, "cannot be part of a path"),
            ("pets.listPets", {"X-Trace": "a\r\nX-Key: b"}, "a header has no line breaks"),
        ):
            with pytest.raises(EINVAL, match=words):
                await mounts.call(syscall, **given)
    assert pets.asked == []


async def test_errors_are_errnos(tmp_path: Path, pets: Service) -> None:
    kind = {"Content-Type": "application/json"}
    wanted: dict[int, type[SyscallError]] = {
        400: EINVAL, 401: EPERM, 403: EPERM, 404: ENOENT, 429: EAGAIN, 500: EIO, 503: EAGAIN,
    }  # fmt: skip
    for status in wanted:
        pets.answers[f"/v1/pets/{status}"] = (status, kind, b'{"error": "no such pet"}')
    pets.answers["/v1/pets/429"] = (429, kind | {"Retry-After": "7"}, b"")
    pets.answers["/v1/pets/moved"] = (302, {"Location": "http://elsewhere.test/"}, b"")
    pets.answers["/v1/pets/large"] = (200, {}, b"x" * (5 << 20))
    mounted_pets(tmp_path, pets)
    async with mounting(tmp_path) as mounts:
        for status, error in wanted.items():
            with pytest.raises(error, match=str(status)) as raised:
                await mounts.call("pets.get_pets_id", id=str(status))
            if status == 429:
                assert raised.value.hint == "try again after 7 s"
            else:
                assert "no such pet" in raised.value.message
        with pytest.raises(EIO, match="302") as raised:
            await mounts.call("pets.get_pets_id", id="moved")
        assert "http://elsewhere.test/, which is not followed" in raised.value.hint
        with pytest.raises(EFBIG):
            await mounts.call("pets.get_pets_id", id="large")


async def test_a_service_that_hangs_or_is_gone(tmp_path: Path) -> None:
    with service() as pets:
        mounted_pets(tmp_path, pets, timeout=0.3)
        async with mounting(tmp_path) as mounts:
            with pytest.raises(ETIME):
                await mounts.call("pets.hang")
            assert await mounts.call("pets.listPets")
            pets.hung.set()
    mounted_pets(tmp_path, pets)
    async with mounting(tmp_path) as mounts:
        with pytest.raises(EAGAIN, match="cannot be reached"):
            await mounts.call("pets.listPets")


async def test_a_description_may_be_at_a_url(tmp_path: Path, pets: Service) -> None:
    pets.answers["/openapi.json"] = (200, {}, json.dumps(PETS).encode())
    entry = {"description": f"{pets.url}/openapi.json"}
    write(tmp_path / "mcp.json", {"openapi": {"pets": entry}})
    async with mounting(tmp_path) as mounts:
        got = await asked(mounts, "pets.listPets")
        assert got["path"] == "/v1/pets", "where it is follows from where its description was"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "neither JSON nor YAML"),
        ("swagger: '2.0'", "no OpenAPI 3 description"),
        ("openapi: 3.1.0", "has no paths"),
        ("openapi: 3.1.0\npaths: {}", "does not say where the service is"),
    ],
)
async def test_what_is_no_description_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    write(tmp_path / "mcp.json", {"openapi": {"bad": {"description": "bad.yaml"}}})
    async with mounting(tmp_path) as mounts:
        assert words in mounts.table.records()[0].error
