"""The steps of a plan, and the order that matters."""

import pytest

from containerlab.oci import runtime as oci
from containerlab.runtime import child
from containerlab.runtime.explain import _TEXTS
from containerlab.runtime.plan import Surroundings, container_plan

SPEC = oci.Spec(process=oci.Process(cwd="/", args=("true",)), linux=oci.Linux())


def _names(**process) -> list[str]:
    spec = oci.Spec(
        process=oci.Process(cwd=process.pop("cwd", "/"), args=("true",), **process),
        linux=oci.Linux(namespaces=(oci.Namespace(type="mount"), oci.Namespace(type="pid"))),
    )
    return [name for name, _ in container_plan(spec, Surroundings(root="/r", filters=((b"", 0),))).steps]


@pytest.mark.parametrize("cwd", ["/", "/srv"])
def test_the_root_is_always_entered_before_anything_of_it_is_used(cwd: str) -> None:
    names = _names(cwd=cwd)
    assert names.index("mount_root") < names.index("pivot") < names.index("change_directory")
    assert names[-1] == "execute"


def test_without_no_new_privileges_the_filter_comes_before_the_rights_go() -> None:
    names = _names(capabilities=oci.Capabilities())
    assert names.index("install_filter") < names.index("drop_bounding") < names.index("set_capabilities")


def test_with_no_new_privileges_the_filter_comes_last() -> None:
    names = _names(capabilities=oci.Capabilities(), no_new_privileges=True)
    assert names.index("set_no_new_privileges") < names.index("install_filter")


def test_every_step_can_be_explained() -> None:
    assert set(child.OPERATIONS) == set(_TEXTS)


def test_no_program_runs_before_the_root_is_entered() -> None:
    with pytest.raises(PermissionError, match="not entered"):
        child.execute(child.Scene(-1, (), ()), (b"true",), ())
