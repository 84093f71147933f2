/* Kernel modules. */
#pragma once

/* Loads the modules of the initramfs in the order of their names, and frees their files. */
void load_modules(void);
