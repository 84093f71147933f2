/* The root directory that programs see. */
#pragma once

/* Mounts what the kernel shows of itself: proc, sys, dev. */
void mount_kernel_views(void);
/* Finds the root that the kernel's command line names, and moves into it; powers off when there is none. */
void enter_root(void);
/* Moves into the image's directory in a system that started us as a service. */
void enter_image(void);
/* Mounts what programs expect beside that. */
void mount_for_programs(void);
