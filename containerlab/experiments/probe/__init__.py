"""The program that measures: one static file without a C library, its sources and its binaries."""
