/* The root directory that programs see. */
#pragma once

/* Mounts a file system that has no device; the directory is made. */
void mount_at(const char *type, const char *target, unsigned long flags, const char *data);
/* Mounts what the kernel shows of itself: proc, sys, dev. */
void mount_kernel_views(void);
/* Finds the root that the kernel's command line names, and moves into it; powers off when there is none. */
void enter_root(void);
/* Mounts what programs expect beside that. */
void mount_for_programs(void);
