#!/bin/sh
# Builds the first process of guests: build.sh COMPILER OUTPUT. The same compiler makes the same bytes anywhere.
set -eu
cd "$(dirname "$0")"
exec "$1" -std=gnu17 -Os -Wall -Wextra -Werror \
	-static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-tree-loop-distribute-patterns \
	-fno-ident -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-s \
	-o "$2" ./*.c
