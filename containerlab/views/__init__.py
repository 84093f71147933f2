"""Values become tables, pictures and progress lines; nothing here calls an engine."""
