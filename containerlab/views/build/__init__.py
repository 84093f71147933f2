"""How a build is seen: while it runs, in a terminal, in a log, in a notebook; and afterwards, as pictures."""
