"""The process that serves a registry: its application, its sockets, its workers."""
