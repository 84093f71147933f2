"""Options that other engines have and this one has no use for, with what to do instead."""

from __future__ import annotations

__all__ = ["ELSEWHERE"]

_WINDOWS = "it is for Windows hosts: leave it out"

ELSEWHERE = {
    **dict.fromkeys(
        ("--isolation", "--cpu-count", "--cpu-percent", "--io-maxbandwidth", "--io-maxiops"), _WINDOWS
    ),
    "--kernel-memory": "Linux has given it up: --memory counts the kernel's memory too",
    "--use-api-socket": "there is no daemon to talk to: mount what the program needs with -v",
    "--pod": "join another container with --network, --ipc and --pid container:NAME",
    "--uidmap": "ids are mapped as `conlab info` says; run as another user to have others",
    "--gidmap": "ids are mapped as `conlab info` says; run as another user to have others",
    "--secret": "mount the file with -v FILE:/run/secrets/NAME:ro",
    "--tz": "set the variable: -e TZ=Europe/Vienna",
    "--cgroup-conf": "write the limit with its own option; a bundle's linux.resources.unified has any",
    "--replace": "remove the other container first: rm -f NAME",
}
"""Option: what to do instead."""
