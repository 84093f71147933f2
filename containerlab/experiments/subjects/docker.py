"""Docker's containers, by the API of a daemon that runs already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from containerlab.errors import ContainerFailed, LabError
from containerlab.experiments.shares import PREFIX, SHARES, Shares, is_stale
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.docker_api import DockerApi, Stream

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Docker"]


class Docker:
    """Containers of a daemon; the image is loaded into it, and removed again by `close`.

    Raises: Unavailable when no daemon answers.
    """

    name, kind, tier = "docker", "container", ""

    def __init__(self, engine: Engine, image: str, shares: Shares, scratch: Path, socket: str) -> None:
        self._api = DockerApi(socket)
        about = self._api.call("GET", "/info")
        self._remove_stale()
        self._image = f"{image}:latest"
        self._numbers = count()
        self._base: dict[str, Any] = {"CpuShares": SHARES}
        is_sibling = about["CgroupDriver"] == "cgroupfs" and bool(shares.path)
        if is_sibling:
            self._base["CgroupParent"] = f"/{shares.path}"
        self._load(engine, scratch)
        self.facts: Mapping[str, str] = {
            "engine": "docker, by its API",
            "version": about["ServerVersion"],
            "network": "none; the host's where there is a port",
            "filesystem": about["Driver"],
            "seccomp": "the usual filter",
            "cpu_shares": shares.fact if is_sibling else f"{SHARES}, in the daemon's own group",
            "restarts": "the daemon, after 0.1 s",
        }

    def _remove_stale(self) -> None:
        """Remove containers of comparisons that were killed: the daemon keeps them for nobody."""
        for found in self._api.call("GET", "/containers/json", all=1):
            if any(is_stale(name.removeprefix("/")) for name in found["Names"] or () if PREFIX in name):
                self._api.call("DELETE", f"/containers/{found['Id']}", force=1)

    def _load(self, engine: Engine, scratch: Path) -> None:
        archive = scratch / "docker.tar"
        # Daemons before version 23 take no layers that zstd compressed.
        output = f"type=docker,name={self._image},dest={archive},compression=gzip,force-compression=true"
        engine.build(str(scratch), dockerfile=f"FROM {self._image}\n", output=[output], progress="quiet")
        try:
            with archive.open("rb") as file:
                self._api.call("POST", "/images/load", file, quiet=1)
        finally:
            archive.unlink()

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Container:
        """Make a container."""
        host = {**self._base, "NetworkMode": "host" if port else "none"}
        if restarts:
            host["RestartPolicy"] = {"Name": "always"}
        wanted = {"Image": self._image, "Cmd": list(words), "HostConfig": host}
        name = f"{PREFIX}{os.getpid()}-{next(self._numbers)}"
        made = self._api.call("POST", "/containers/create", wanted, name=name)
        return Container(self._api, made["Id"], port)

    def close(self) -> None:
        """Remove the image."""
        with suppress(ContainerFailed):  # somebody else uses it
            self._api.call("DELETE", f"/images/{self._image}", force=1)


class Container:
    """One container."""

    def __init__(self, api: DockerApi, id_: str, port: int) -> None:
        self._api = api
        self._id = id_
        self._path = f"/containers/{id_}"
        self._port = port
        self._output: Stream | None = None
        self._first_at: float | None = None
        self._kept: list[str] = []

    def start(self) -> None:
        self._output = self._api.stream(f"{self._path}/attach", stream=1, stdout=1, stderr=1)
        self._do("start")

    def _do(self, verb: str) -> None:
        self._api.call("POST", f"{self._path}/{verb}")

    def first_output_at(self, timeout_s: float) -> float:
        if self._first_at is None:
            assert self._output is not None, "start it first"
            self._first_at = self._output.first_at(timeout_s)
        return self._first_at

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(words)}
        made = self._api.call("POST", f"{self._path}/exec", wanted)["Id"]
        stream = self._api.stream(f"/exec/{made}/start", {"Detach": False, "Tty": False})
        try:
            printed, said = stream.rest(timeout_s)
        finally:
            stream.close()
        if code := self._api.call("GET", f"/exec/{made}/json")["ExitCode"]:
            raise ContainerFailed(f"{' '.join(words)} ended with {code}: {said}")
        return printed

    def pids(self) -> list[int]:
        """Its processes, and the shim that is their parent."""
        return counting.with_parent(self.workload_pid())

    def workload_pid(self) -> int:
        return int(self._inspected()["State"]["Pid"])

    def _inspected(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.call("GET", f"{self._path}/json")
        return found

    def memory_bytes(self) -> int | None:
        return counting.memory_bytes_around(self.workload_pid())

    def disk_bytes(self) -> int:
        """Its layer and its papers, where this process may look at them; else what the daemon says."""
        found = self._inspected()
        layer = found["GraphDriver"]["Data"] or {}
        places = [os.path.dirname(found["HostnamePath"]), layer.get("UpperDir", ""), layer.get("WorkDir", "")]
        if all(os.access(place, os.R_OK | os.X_OK) for place in places):
            return sum(map(counting.allocated_bytes, places))
        return int(self._api.call("GET", f"{self._path}/json", size=1)["SizeRw"])

    def pause(self) -> None:
        self._do("pause")

    def resume(self) -> None:
        self._do("unpause")

    def snapshot(self) -> int:
        before = self._size(self._inspected()["Image"])
        made = self._api.call("POST", "/commit", {}, container=self._id)["Id"]
        self._kept.append(made)
        return self._size(made) - before

    def _size(self, image: str) -> int:
        return int(self._api.call("GET", f"/images/{image}/json")["Size"])

    def delete(self) -> None:
        with suppress(LabError):
            self._api.call("DELETE", self._path, force=1)
        if self._output is not None:
            self._output.close()
        for image in self._kept:
            self._api.call("DELETE", f"/images/{image}", force=1)
