#!/bin/sh
# What mmdebstrap calls with the root of the new Debian: the unit that runs the image's program, and a network.
set -eu
units="$1/etc/systemd/system"
cat > "$units/conlab.service" <<'UNIT'
[Unit]
Description=The program of the image
After=network-online.target ssh.service
Wants=network-online.target
# When the program of the image has ended, nobody wants the machine any more.
SuccessAction=poweroff
FailureAction=poweroff

[Service]
ExecStart=/run/conlab/init --service /srv/image
KillMode=mixed
Delegate=yes

[Install]
WantedBy=multi-user.target
UNIT
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
    ln -sf /dev/null "$units/$unit"
done
mkdir -p "$units/multi-user.target.wants" "$1/etc/systemd/network" "$1/srv/image"
printf '[Match]\nName=e*\n\n[Network]\nDHCP=yes\n' > "$1/etc/systemd/network/80-dhcp.network"
ln -sf ../conlab.service "$units/multi-user.target.wants/conlab.service"
ln -sf /lib/systemd/system/systemd-networkd.service "$units/multi-user.target.wants/systemd-networkd.service"
mkdir -p "$units/network-online.target.wants" "$units/systemd-networkd-wait-online.service.d"
# Without a card there is nothing to wait for, which takes it two minutes to find out.
printf '[Unit]\nConditionPathExistsGlob=/sys/class/net/e*\n' \
    > "$units/systemd-networkd-wait-online.service.d/card.conf"
ln -sf /lib/systemd/system/systemd-networkd-wait-online.service "$units/network-online.target.wants/"
echo classic > "$1/etc/hostname"
: > "$1/etc/machine-id"
