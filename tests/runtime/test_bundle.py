"""What a bundle may not ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.errors import Unsupported
from containerlab.oci import runtime as oci
from containerlab.runtime import bundle


def test_the_mount_namespace_of_others_is_left_alone(tmp_path: Path) -> None:
    """A root file system made in it, and pivoted to, would be theirs too: the host's, by `/proc/1/ns/mnt`."""
    namespaces = (oci.Namespace(type="mount", path="/proc/1/ns/mnt"),)
    spec = oci.Spec(
        root=oci.Root(path=str(tmp_path)),
        process=oci.Process(cwd="/", args=("true",)),
        linux=oci.Linux(namespaces=namespaces),
    )
    with pytest.raises(Unsupported, match="mount namespace"):
        bundle.fit(spec, str(tmp_path))
