"""Who somebody is: users and robots, their passwords and tokens, how they log in."""
