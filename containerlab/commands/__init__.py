"""Commands: a method is a command, its option table gives the flags. Words become calls here."""
