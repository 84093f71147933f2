"""What an ordinary user runs: HOME ARCHIVE KERNEL TIMES → JSON of seconds that disks took, new and again."""

from __future__ import annotations

import json
import shutil
import sys
import time

from containerlab.engine.engine import Engine
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.vm.kernel import kernels
from containerlab.vm.rootfs import roots
from containerlab.vm.tiers import TIERS


def main() -> None:
    """Import the archive, and make its disk as often as asked."""
    root, archive, kernel, times = sys.argv[1:]
    with Engine(home=root) as engine:
        engine.images.import_(archive, "big")
    home = Home.open(root)
    (home.cache / "kernels").mkdir(mode=0o700, exist_ok=True)
    (home.cache / "kernels" / "lent").symlink_to(kernel)
    taken = []
    for _ in range(int(times)):
        shutil.rmtree(home.cache / "roots", ignore_errors=True)
        taken.append((_seconds(home), _seconds(home)))
    print(json.dumps(list(zip(*taken, strict=True))))


def _seconds(home: Home) -> float:
    begun = time.perf_counter()
    roots.prepare(home, Images(home).get("big"), kernels.find(home), TIERS["image"])
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
