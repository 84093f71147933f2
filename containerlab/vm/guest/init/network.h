/* Network interfaces, by rtnetlink(7). */
#pragma once

/* Once, those that are there: the loopback and the card. */
void bring_up_interfaces(void);
/* Gives an interface that is up an address like 10.0.2.15/24; -errno when that fails. */
long add_address(const char *interface, const char *address);
/* Sends what has no other route through `gateway`. */
long add_default_route(const char *interface, const char *gateway);
